#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include "base/units.h"

#include <cmocka.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

struct parse_case {
	const char *text;
	int r;
	uint64_t value;
};

static void check(int (*parse)(const char *, uint64_t *), const struct parse_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t got = 0;
		int r = parse(c[i].text, &got);

		if (r != c[i].r || (r == 0 && got != c[i].value))
			fail_msg("'%s': %d, %" PRIu64 "; expected %d, %" PRIu64, c[i].text, r, got,
				 c[i].r, c[i].value);
	}
}

static void sizes(void **state)
{
	static const struct parse_case CASES[] = {
		{ "0", 0, 0 },
		{ "1048576", 0, MIB },
		{ "7B", 0, 7 },
		{ "50G", 0, 50 * GIB },
		{ "50Gi", 0, 50 * GIB },
		{ "50GiB", 0, 50 * GIB },
		{ "50g", 0, 50 * GIB },
		{ "512M", 0, 512 * MIB },
		{ "3k", 0, 3 * KIB },
		{ "2T", 0, 2 * TIB },
		{ "0T", 0, 0 },
		{ "007M", 0, 7 * MIB },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "16777215T", 0, 16777215 * TIB },
		{ "", -EINVAL, 0 },
		{ "G", -EINVAL, 0 },
		{ " 1G", -EINVAL, 0 },
		{ "1 G", -EINVAL, 0 },
		{ "1G ", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1kB", -EINVAL, 0 }, /* decimal units are not guessed at */
		{ "1MB", -EINVAL, 0 },
		{ "1GB", -EINVAL, 0 },
		{ "1GG", -EINVAL, 0 },
		{ "1P", -EINVAL, 0 },
		{ "\xd9\xa1", -EINVAL, 0 }, /* a digit, but not ours */
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "16777216T", -ERANGE, 0 },
		{ "17179869184G", -ERANGE, 0 },
	};

	check(size_parse, CASES, ARRAY_SIZE(CASES));
}

static void durations(void **state)
{
	static const struct parse_case CASES[] = {
		{ "0", 0, 0 },
		{ "0s", 0, 0 },
		{ "500ms", 0, 500 },
		{ "30s", 0, 30000 },
		{ "10m", 0, 600000 },
		{ "2h", 0, 7200000 },
		{ "1d", 0, 86400000 },
		{ "", -EINVAL, 0 },
		{ "30", -EINVAL, 0 }, /* thirty what? */
		{ "00", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "18446744073709551615ms", 0, UINT64_MAX },
		{ "18446744073709551615s", -ERANGE, 0 },
		{ "213503982335d", -ERANGE, 0 },
	};

	check(duration_parse, CASES, ARRAY_SIZE(CASES));
}

static void whole_numbers(void **state)
{
	static const struct parse_case CASES[] = {
		{ "0", 0, 0 },
		{ "42", 0, 42 },
		{ "0000000000000000000000001", 0, 1 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "18446744073709551620", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-0", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "x", -EINVAL, 0 },
	};

	check(u64_parse, CASES, ARRAY_SIZE(CASES));
}

static void signed_numbers(void **state)
{
	static const struct {
		const char *text;
		int r;
		int64_t value;
	} CASES[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "-1", 0, -1 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775807", 0, -INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "-9223372036854775809", -ERANGE, 0 },
		{ "-", -EINVAL, 0 },
		{ "--1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		int64_t got = 0;

		assert_int_equal(i64_parse(CASES[i].text, &got), CASES[i].r);
		if (CASES[i].r == 0)
			assert_true(got == CASES[i].value);
	}
}

static void whole_numbers_round_trip(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;

	for (int i = 0; i < 5000; i++) {
		char text[UNITS_MAX];
		uint64_t n, got = 0;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		n = seed >> (i % 64);
		(void)snprintf(text, sizeof(text), "%" PRIu64, n);
		assert_int_equal(u64_parse(text, &got), 0);
		assert_true(got == n);
		assert_int_equal(size_parse(text, &got), 0);
		assert_true(got == n);
	}
}

static void sizes_are_shown(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} CASES[] = {
		{ KIB, "1K" },
		{ 1536, "1.5K" },
		{ MIB - 1, "1023K" },
		{ 17 * MIB, "17M" },
		{ 50 * GIB, "50G" },
		{ GIB + GIB / 2, "1.5G" },
		{ GIB + GIB / 1000, "1G" },
		{ 200 * GIB + GIB / 2, "200G" },
		{ TIB, "1T" },
		{ UINT64_MAX, "15.9E" },
	};
	char buf[UNITS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		assert_string_equal(size_format(CASES[i].bytes, buf), CASES[i].text);
		assert_ptr_equal(size_format(CASES[i].bytes, buf), buf);
	}
	/* Bytes are bytes, with or without their letter. */
	assert_int_equal(strncmp(size_format(0, buf), "0", 1), 0);
	assert_int_equal(strncmp(size_format(512, buf), "512", 3), 0);
}

/* What is shown never promises more than there is, and is not off by more than a tenth. */
static void shown_sizes_are_near(void **state)
{
	for (unsigned shift = 10; shift < 44; shift++) {
		for (uint64_t odd = 0; odd < 40; odd++) {
			uint64_t n = (UINT64_C(1) << shift) + odd * (UINT64_C(1) << shift) / 40;
			char buf[UNITS_MAX], plain[UNITS_MAX];
			uint64_t whole = 0, tenths = 0, unit = 0;
			size_t digits, at = 0;

			size_format(n, buf);
			digits = strspn(buf, "0123456789");
			(void)snprintf(plain, sizeof(plain), "%.*s", (int)digits, buf);
			assert_int_equal(u64_parse(plain, &whole), 0);
			at = digits;
			if (buf[at] == '.') {
				tenths = (uint64_t)(buf[at + 1] - '0');
				at += 2;
			}
			(void)snprintf(plain, sizeof(plain), "1%s", buf + at);
			assert_int_equal(size_parse(plain, &unit), 0);
			assert_true(whole * unit + tenths * unit / 10 <= n);
			assert_true(n - whole * unit - tenths * unit / 10 <= n / 10);
		}
	}
}

static void durations_are_shown(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} CASES[] = {
		{ 0, "0.0s" },	       { 400, "0.4s" },	      { 9999, "9.9s" },
		{ 10000, "10s" },      { 12999, "12s" },      { 59999, "59s" },
		{ 60000, "1m 00s" },   { 185000, "3m 05s" },  { 3599999, "59m 59s" },
		{ 3600000, "1h 00m" }, { 7800000, "2h 10m" }, { 360000000, "100h 00m" },
	};
	char buf[UNITS_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_string_equal(duration_format(CASES[i].ms, buf), CASES[i].text);
	assert_true(strlen(duration_format(UINT64_MAX, buf)) < UNITS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(signed_numbers),
		cmocka_unit_test(whole_numbers_round_trip),
		cmocka_unit_test(sizes_are_shown),
		cmocka_unit_test(shown_sizes_are_near),
		cmocka_unit_test(durations_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
