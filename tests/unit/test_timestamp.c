#include <setjmp.h>
#include <stdarg.h>

#include "base/timestamp.h"

#include <cmocka.h>

static void dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} CASES[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T12:00:00z", 951825600 },
		{ "2024-05-01T10:11:12Z", 1714558272 },
		{ "2024-05-01 10:11:12.000Z", 1714558272 },
		{ "2024-05-01T10:11:12.000000001Z", 1714558273 },
		{ "2024-05-01T12:11:12.5+02:00", 1714558273 },
		{ "2024-04-30T23:41:12-10:30", 1714558272 },
		{ "0001-01-01T00:00:00Z", -62135596800 },
		{ "9999-12-31T23:59:60Z", 253402300800 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		int64_t seconds = 42;

		assert_int_equal(timestamp_parse(CASES[i].text, &seconds), 0);
		assert_int_equal(seconds, CASES[i].seconds);
	}
}

static void what_is_none(void **state)
{
	static const char *const TEXTS[] = {
		"",
		"now",
		"2024-05-01",
		"2024-05-01T10:11:12",
		"2024-05-01T10:11:12.Z",
		"2024-05-01T10:11Z",
		"2024-13-01T10:11:12Z",
		"2023-02-29T10:11:12Z",
		"2024-05-01T24:11:12Z",
		"2024-05-01T10:11:12Zx",
		"2024-05-01T10:11:12+2:00",
		"0000-01-01T00:00:00Z",
		"-001-01-01T00:00:00Z",
		"2024-05-01T10:11:12+24:00",
		"12024-05-01T10:11:12Z",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		int64_t seconds = 42;

		assert_int_equal(timestamp_parse(TEXTS[i], &seconds), -EINVAL);
		assert_int_equal(seconds, 42);
	}
}

static void written_again(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} CASES[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ -1, "1969-12-31T23:59:59Z" },
		{ 951825600, "2000-02-29T12:00:00Z" },
		{ 1714558272, "2024-05-01T10:11:12Z" },
		{ -62135596800, "0001-01-01T00:00:00Z" },
		{ INT64_MIN, "0001-01-01T00:00:00Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
	};
	char text[TIMESTAMP_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_string_equal(timestamp_format(CASES[i].seconds, text), CASES[i].text);
	/* Through all the years there are, each time at another day and time of the day. */
	for (int64_t s = -62135596800; s < 253402300800; s += 86400 * 37 + 11) {
		int64_t again = 0;

		assert_int_equal(timestamp_parse(timestamp_format(s, text), &again), 0);
		assert_int_equal(again, s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(written_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
