#include <setjmp.h>
#include <stdarg.h>

#include "base/strbuf.h"

#include <cmocka.h>

static void empty_is_a_string(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	_cleanup_free_ char *s = NULL;

	assert_string_equal(strbuf_str(&sb), "");
	assert_false(strbuf_failed(&sb));
	s = strbuf_steal(&sb);
	assert_non_null(s);
	assert_string_equal(s, "");
	assert_null(sb.data);
}

static void parts_are_put_together(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	strbuf_puts(&sb, "ab");
	strbuf_putc(&sb, 'c');
	strbuf_add(&sb, "defg", 2);
	strbuf_printf(&sb, "%d-%s", 12, "x");
	strbuf_add(&sb, NULL, 0);
	strbuf_puts(&sb, "");
	assert_string_equal(strbuf_str(&sb), "abcde12-x");
	assert_int_equal(sb.len, 9);
	assert_int_equal(sb.data[sb.len], '\0');
}

static void nul_bytes_are_kept(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	strbuf_add(&sb, "a\0b", 3);
	strbuf_putc(&sb, '\0');
	assert_int_equal(sb.len, 4);
	assert_memory_equal(sb.data, "a\0b\0\0", 5);
}

/* At every length, so that each growth is crossed: content and NUL are right. */
static void it_grows(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < 20000; i++) {
		strbuf_putc(&sb, (char)('a' + i % 26));
		assert_int_equal(sb.len, i + 1);
		assert_true(sb.cap > sb.len);
		assert_int_equal(sb.data[i + 1], '\0');
	}
	for (size_t i = 0; i < sb.len; i++)
		assert_int_equal(sb.data[i], 'a' + i % 26);
	assert_false(strbuf_failed(&sb));
}

static void long_printf(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	strbuf_printf(&sb, "<%*d>", 5000, 7);
	assert_int_equal(sb.len, 5002);
	assert_string_equal(sb.data + 4999, " 7>");
	strbuf_printf(&sb, "%s", "");
	assert_int_equal(sb.len, 5002);
}

static void reset_keeps_memory(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	size_t cap;

	strbuf_reset(&sb);
	assert_string_equal(strbuf_str(&sb), "");
	strbuf_puts(&sb, "something");
	cap = sb.cap;
	strbuf_reset(&sb);
	assert_int_equal(sb.len, 0);
	assert_int_equal(sb.cap, cap);
	assert_string_equal(strbuf_str(&sb), "");
	strbuf_puts(&sb, "x");
	assert_string_equal(strbuf_str(&sb), "x");
}

static void stealing_leaves_it_usable(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_free_ char *first = NULL, *second = NULL;

	strbuf_puts(&sb, "one");
	first = strbuf_steal(&sb);
	strbuf_puts(&sb, "two");
	second = strbuf_steal(&sb);
	assert_string_equal(first, "one");
	assert_string_equal(second, "two");
	assert_int_equal(sb.cap, 0);
}

/* A length that cannot be: marked, nothing written, and no later add pretends otherwise. */
static void failure_sticks(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	size_t impossible = SIZE_MAX - 2;

	strbuf_puts(&sb, "begin");
	strbuf_add(&sb, sb.data, impossible);
	assert_true(strbuf_failed(&sb));
	assert_string_equal(strbuf_str(&sb), "begin");
	strbuf_puts(&sb, "end");
	strbuf_printf(&sb, "%d", 1);
	assert_string_equal(strbuf_str(&sb), "begin");
	assert_null(strbuf_steal(&sb));
	/* Stolen from: empty, and good again. */
	assert_false(strbuf_failed(&sb));
	strbuf_puts(&sb, "again");
	assert_string_equal(strbuf_str(&sb), "again");
}

static void xasprintf_allocates(void **state)
{
	_cleanup_free_ char *s = xasprintf("%s/%03u", "a", 7U);
	_cleanup_free_ char *empty = xasprintf("%s", "");

	assert_string_equal(s, "a/007");
	assert_string_equal(empty, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_is_a_string),
		cmocka_unit_test(parts_are_put_together),
		cmocka_unit_test(nul_bytes_are_kept),
		cmocka_unit_test(it_grows),
		cmocka_unit_test(long_printf),
		cmocka_unit_test(reset_keeps_memory),
		cmocka_unit_test(stealing_leaves_it_usable),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(xasprintf_allocates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
