#include <setjmp.h>
#include <stdarg.h>

#include "base/strv.h"

#include <cmocka.h>

static void it_is_an_argument_vector(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;
	char word[] = "one";

	assert_null(v.items);
	assert_int_equal(strv_add(&v, word), 0);
	word[0] = 'X'; /* it has its own copy */
	assert_int_equal(strv_addf(&v, "%s=%d", "two", 2), 0);
	assert_int_equal(strv_add(&v, ""), 0);
	assert_int_equal(v.len, 3);
	assert_string_equal(v.items[0], "one");
	assert_string_equal(v.items[1], "two=2");
	assert_string_equal(v.items[2], "");
	assert_null(v.items[3]);
}

static void always_terminated(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;

	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(strv_addf(&v, "%zu", i), 0);
		assert_null(v.items[v.len]);
	}
	assert_string_equal(v.items[999], "999");
	assert_string_equal(v.items[0], "0");
	strv_release(&v);
	assert_null(v.items);
	assert_int_equal(v.len, 0);
	assert_int_equal(strv_add(&v, "again"), 0);
	assert_string_equal(v.items[0], "again");
}

static void new_only_once(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;

	assert_false(strv_contains(&v, "a"));
	assert_int_equal(strv_add_new(&v, "a"), 0);
	assert_int_equal(strv_add_new(&v, "b"), 0);
	assert_int_equal(strv_add_new(&v, "a"), 0);
	assert_int_equal(v.len, 2);
	assert_true(strv_contains(&v, "b"));
	assert_false(strv_contains(&v, "B"));
	assert_false(strv_contains(&v, ""));
}

static void sorted(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;

	strv_sort(&v); /* nothing to sort: nothing to read */
	assert_int_equal(strv_split(&v, "pear apple fig apple", " "), 0);
	strv_sort(&v);
	assert_string_equal(v.items[0], "apple");
	assert_string_equal(v.items[1], "apple");
	assert_string_equal(v.items[2], "fig");
	assert_string_equal(v.items[3], "pear");
	assert_null(v.items[4]);
}

static void split_drops_empty_pieces(void **state)
{
	static const struct {
		const char *text, *sep, *joined;
		size_t n;
	} CASES[] = {
		{ "", ",", "", 0 },	     { ",,,", ",", "", 0 },
		{ "a", ",", "a", 1 },	     { "a,b", ",", "a|b", 2 },
		{ ",a,,b,", ",", "a|b", 2 }, { " a\t b\n", " \t\n", "a|b", 2 },
		{ "a,b", "", "a,b", 1 },     { "\xc3\xa9,x", ",", "\xc3\xa9|x", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(strv_release) struct strv v = STRV_INIT;
		_cleanup_free_ char *joined = NULL;

		assert_int_equal(strv_split(&v, CASES[i].text, CASES[i].sep), 0);
		assert_int_equal(v.len, CASES[i].n);
		joined = strv_join(&v, "|");
		assert_string_equal(joined, CASES[i].joined);
	}
}

static void split_adds(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;
	_cleanup_free_ char *joined = NULL;

	assert_int_equal(strv_add(&v, "first"), 0);
	assert_int_equal(strv_split(&v, "b c", " "), 0);
	joined = strv_join(&v, ", ");
	assert_string_equal(joined, "first, b, c");
}

static void foreach_visits_all(void **state)
{
	_cleanup_(strv_release) struct strv v = STRV_INIT;
	size_t n = 0, last = 0;

	strv_foreach (&v, i, s)
		fail_msg("visited '%s' (%zu) of nothing", s, i);
	assert_int_equal(strv_split(&v, "0 1 2", " "), 0);
	strv_foreach (&v, i, s) {
		assert_int_equal(s[0] - '0', i);
		last = i;
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(last, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_an_argument_vector),
		cmocka_unit_test(always_terminated),
		cmocka_unit_test(new_only_once),
		cmocka_unit_test(sorted),
		cmocka_unit_test(split_drops_empty_pieces),
		cmocka_unit_test(split_adds),
		cmocka_unit_test(foreach_visits_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
