/* Dates as JSON has them: RFC 3339, "2024-05-01T10:11:12.5+02:00". */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include "base/macros.h"

/*
 * Seconds since 1970, negative before; a fraction is rounded up. -EINVAL: not of that form. Years
 * 0001 to 9999: Go's zero time, which programs in it write for "never", is one of them.
 */
int timestamp_parse(const char *s, int64_t *ret);

/*
 * "2024-05-01T08:11:12Z", in UTC, of seconds since 1970 in the same years; others become the nearest
 * of them. By the calendar alone: the C library's way brings time zones into a small program.
 */
#define TIMESTAMP_MAX 32
const char *timestamp_format(int64_t seconds, char buf[static TIMESTAMP_MAX]);

#endif
