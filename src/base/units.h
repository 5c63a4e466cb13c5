/*
 * Sizes and durations as people write them.
 *
 * Size: a whole number and a unit, "50G", "50GiB", "512M", "1048576". K, M, G, T (and their iB
 * spellings) are powers of 1024, as Docker, XFS tools and Kubernetes' Gi read them; "kB" style
 * decimal units are refused rather than guessed. Result in bytes.
 * Duration: "30s", "10m", "2h", "500ms", a bare 0. Result in milliseconds.
 * Errors: -EINVAL (not of that form), -ERANGE (does not fit).
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/macros.h"

int size_parse(const char *s, uint64_t *ret_bytes);
int duration_parse(const char *s, uint64_t *ret_ms);

/* Decimal digits only, the whole string. */
int u64_parse(const char *s, uint64_t *ret);
int i64_parse(const char *s, int64_t *ret);

/* "50G", "1.5G", "17M", "512B": the largest unit, one decimal at the most. */
#define UNITS_MAX 32
const char *size_format(uint64_t bytes, char buf[static UNITS_MAX]);

/* "0.4s", "12s", "3m 05s", "2h 10m". */
const char *duration_format(uint64_t ms, char buf[static UNITS_MAX]);

#endif
