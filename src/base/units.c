#include "base/units.h"

#include <inttypes.h>

/* Digits from *s on; *s is left behind them. */
static int digits(const char **s, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *s;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	*s = p;
	*ret = value;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int with_unit(const char *s, const struct unit *units, size_t n, uint64_t *ret)
{
	uint64_t value;
	int r = digits(&s, &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(s, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

static const struct unit SIZES[] = {
	{ "", 1 },	       { "B", 1 },
	{ "K", 1ULL << 10 },   { "Ki", 1ULL << 10 }, { "KiB", 1ULL << 10 },
	{ "M", 1ULL << 20 },   { "Mi", 1ULL << 20 }, { "MiB", 1ULL << 20 },
	{ "G", 1ULL << 30 },   { "Gi", 1ULL << 30 }, { "GiB", 1ULL << 30 },
	{ "T", 1ULL << 40 },   { "Ti", 1ULL << 40 }, { "TiB", 1ULL << 40 },
	{ "k", 1ULL << 10 },   { "m", 1ULL << 20 },  { "g", 1ULL << 30 },
	{ "t", 1ULL << 40 },
};

static const struct unit DURATIONS[] = {
	{ "ms", 1 },
	{ "s", UINT64_C(1000) },
	{ "m", UINT64_C(60) * 1000 },
	{ "h", UINT64_C(3600) * 1000 },
	{ "d", UINT64_C(24) * 3600 * 1000 },
};

int size_parse(const char *s, uint64_t *ret_bytes)
{
	return with_unit(s, SIZES, ARRAY_SIZE(SIZES), ret_bytes);
}

int duration_parse(const char *s, uint64_t *ret_ms)
{
	if (strcmp(s, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	return with_unit(s, DURATIONS, ARRAY_SIZE(DURATIONS), ret_ms);
}

int u64_parse(const char *s, uint64_t *ret)
{
	uint64_t value;
	int r = digits(&s, &value);

	if (r < 0)
		return r;
	if (*s)
		return -EINVAL;
	*ret = value;
	return 0;
}

int i64_parse(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t value;
	int r = u64_parse(s + negative, &value);

	if (r < 0)
		return r;
	if (value > (uint64_t)INT64_MAX)
		return -ERANGE;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return 0;
}

const char *size_format(uint64_t bytes, char buf[static UNITS_MAX])
{
	static const char NAMES[] = "BKMGTPE";
	uint64_t whole = bytes, tenths = 0;
	size_t unit = 0;

	while (whole >= 1024 && unit + 1 < sizeof(NAMES) - 1) {
		tenths = (whole % 1024) * 10 / 1024;
		whole /= 1024;
		unit++;
	}
	if (unit == 0)
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "B", whole);
	else if (tenths && whole < 100)
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 ".%" PRIu64 "%c", whole, tenths, NAMES[unit]);
	else
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "%c", whole, NAMES[unit]);
	return buf;
}

const char *duration_format(uint64_t ms, char buf[static UNITS_MAX])
{
	uint64_t s = ms / 1000;

	if (ms < 10000)
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
	else if (s < 60)
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "s", s);
	else if (s < 3600)
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "m %02" PRIu64 "s", s / 60, s % 60);
	else
		(void)snprintf(buf, UNITS_MAX, "%" PRIu64 "h %02" PRIu64 "m", s / 3600, s % 3600 / 60);
	return buf;
}
