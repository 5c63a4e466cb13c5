/* Dates as JSON has them: RFC 3339, "2024-05-01T10:11:12.5+02:00". */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include "base/macros.h"

/*
 * Seconds since 1970, negative before; a fraction is rounded up. -EINVAL: not of that form. Years
 * 0001 to 9999: Go's zero time, which programs in it write for "never", is one of them.
 */
int timestamp_parse(const char *s, int64_t *ret);

#endif
