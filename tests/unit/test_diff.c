#include <setjmp.h>
#include <stdarg.h>

#include "base/diff.h"

#include <cmocka.h>

static void check(const char *old_text, const char *new_text, unsigned context,
		  const char *expected)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	diff_lines(old_text, strlen(old_text), new_text, strlen(new_text), context, &out);
	assert_false(strbuf_failed(&out));
	assert_string_equal(strbuf_str(&out), expected);
}

static void equal_texts_give_nothing(void **state)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	check("", "", 3, "");
	check("a\nb\n", "a\nb\n", 3, "");
	diff_lines(NULL, 0, NULL, 0, 3, &out);
	diff_lines("a\0b", 3, "a\0b", 3, 3, &out);
	assert_string_equal(strbuf_str(&out), "");
}

static void new_and_gone(void **state)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	check("", "a\nb\n", 3, "+a\n+b\n");
	check("a\nb\n", "", 3, "-a\n-b\n");
	check("", "\n", 3, "+\n");
	diff_lines(NULL, 0, "x\n", 2, 3, &out);
	diff_lines("y\n", 2, NULL, 0, 3, &out);
	assert_string_equal(strbuf_str(&out), "+x\n-y\n");
}

static void changes_in_their_context(void **state)
{
	check("a\nb\nc\n", "a\nx\nc\n", 3, " a\n-b\n+x\n c\n");
	check("a\nb\nc\n", "a\nx\nc\n", 0, "-b\n+x\n");
	check("1\n2\n3\n4\n5\n", "1\n2\nx\n4\n5\n", 1, " 2\n-3\n+x\n 4\n");
	check("a\nc\n", "a\nb\nc\n", 1, " a\n+b\n c\n");
	check("a\nb\nc\n", "a\nc\n", 1, " a\n-b\n c\n");
	check("a\na\na\n", "a\na\n", 9, " a\n a\n-a\n");
}

static void hunks_apart_are_separated(void **state)
{
	static const char OLD[] = "1\n2\n3\n4\n5\n6\n7\n8\n";

	check(OLD, "x\n2\n3\n4\n5\n6\n7\ny\n", 1, "-1\n+x\n 2\n@@\n 7\n-8\n+y\n");
	check(OLD, "x\n2\n3\n4\n5\n6\n7\ny\n", 0, "-1\n+x\n@@\n-8\n+y\n");
	/* Contexts that touch, and that overlap, are one hunk. */
	check(OLD, "x\n2\n3\n4\n5\n6\n7\ny\n", 3, "-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n");
	check(OLD, "x\n2\n3\n4\n5\n6\n7\ny\n", 4, "-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n");
	/* No separator in front of the first hunk or behind the last. */
	check(OLD, "1\n2\n3\nx\n5\n6\n7\n8\n", 1, " 3\n-4\n+x\n 5\n");
	check(OLD, "1\n2\n3\nx\n5\n6\n7\n8\n", UINT32_MAX, " 1\n 2\n 3\n-4\n+x\n 5\n 6\n 7\n 8\n");
}

static void a_missing_newline_is_shown(void **state)
{
	check("a", "a\n", 3, "-a\n\\ No newline at end of file\n+a\n");
	check("a\n", "a", 3, "-a\n+a\n\\ No newline at end of file\n");
	check("x\nend", "y\nend", 3, "-x\n+y\n end\n\\ No newline at end of file\n");
	check("", "a", 3, "+a\n\\ No newline at end of file\n");
}

static void other_line_ends_are_shown(void **state)
{
	check("a\r\n", "a\n", 3, "-a^M\n+a\n");
	check("\ta \xc3\xa9\n", "\ta\n", 3, "-\ta \xc3\xa9\n+\ta\n");
}

static void binary_is_one_line(void **state)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	diff_lines("a\0b", 3, "text\n", 5, 3, &out);
	assert_string_equal(strbuf_str(&out), "(binary, 3 bytes -> 5 bytes)\n");
	check("a\n", "\x1b[2Ja\n", 3, "(binary, 2 bytes -> 6 bytes)\n");
	check("", "\x7f", 3, "(binary, 0 bytes -> 1 bytes)\n");
}

static void it_adds(void **state)
{
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	strbuf_puts(&out, "head:\n");
	diff_lines("a\n", 2, "b\n", 2, 3, &out);
	assert_string_equal(strbuf_str(&out), "head:\n-a\n+b\n");
}

/* Both texts can be had back from a diff with everything as context; returns the changed lines. */
static size_t rebuild(const char *diff, struct strbuf *old_text, struct strbuf *new_text)
{
	struct strbuf *last[2] = { NULL, NULL };
	size_t changed = 0;

	while (*diff) {
		size_t n = strcspn(diff, "\n") + 1;

		if (*diff == '\\') {
			for (size_t i = 0; i < 2; i++) {
				if (last[i])
					last[i]->data[--last[i]->len] = '\0';
			}
		} else {
			last[0] = *diff == '+' ? NULL : old_text;
			last[1] = *diff == '-' ? NULL : new_text;
			changed += *diff != ' ';
			for (size_t i = 0; i < 2; i++) {
				if (last[i])
					strbuf_add(last[i], diff + 1, n - 1);
			}
		}
		diff += n;
	}
	return changed;
}

static uint64_t seed = 88172645463325252;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void random_text(struct strbuf *sb, size_t lines)
{
	for (size_t i = 0; i < lines; i++)
		strbuf_printf(sb, "%c\n", 'a' + (char)below(4));
	if (sb->len && below(4) == 0)
		sb->data[--sb->len] = '\0';
}

static void nothing_is_lost(void **state)
{
	for (int i = 0; i < 3000; i++) {
		_cleanup_(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		_cleanup_(strbuf_release) struct strbuf a2 = STRBUF_INIT, b2 = STRBUF_INIT;
		_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

		random_text(&a, below(12));
		random_text(&b, below(12));
		diff_lines(a.data, a.len, b.data, b.len, 100, &out);
		rebuild(strbuf_str(&out), &a2, &b2);
		if (strcmp(strbuf_str(&a), strbuf_str(&b)) == 0) {
			assert_int_equal(out.len, 0);
			continue;
		}
		assert_string_equal(strbuf_str(&a2), strbuf_str(&a));
		assert_string_equal(strbuf_str(&b2), strbuf_str(&b));
	}
}

/* A line taken out here and one put in there is all that is shown. */
static void it_is_small(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		_cleanup_(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
		_cleanup_(strbuf_release) struct strbuf a2 = STRBUF_INIT, b2 = STRBUF_INIT;
		_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
		unsigned gone = below(100), put = below(100);

		for (unsigned n = 0; n < 100; n++) {
			strbuf_printf(&a, "line %u\n", n % 60);
			if (n != gone)
				strbuf_printf(&b, "line %u\n", n % 60);
			if (n == put)
				strbuf_puts(&b, "another\n");
		}
		diff_lines(a.data, a.len, b.data, b.len, 1000, &out);
		assert_true(rebuild(strbuf_str(&out), &a2, &b2) <= 2);
	}
}

/* Past the bound the middle is replaced as a whole, and the common ends still are not. */
static void large_texts_are_replaced(void **state)
{
	_cleanup_(strbuf_release) struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf a2 = STRBUF_INIT, b2 = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;

	strbuf_puts(&a, "head\n");
	strbuf_puts(&b, "head\n");
	for (unsigned n = 0; n < 5000; n++) {
		strbuf_printf(&a, "%u\n", n);
		strbuf_printf(&b, "%u\n", n ^ 1);
	}
	strbuf_puts(&a, "tail\n");
	strbuf_puts(&b, "tail\n");
	diff_lines(a.data, a.len, b.data, b.len, 3, &out);
	assert_int_equal(rebuild(strbuf_str(&out), &a2, &b2), 10000);
	assert_string_equal(strbuf_str(&a2), strbuf_str(&a));
	assert_string_equal(strbuf_str(&b2), strbuf_str(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts_give_nothing),
		cmocka_unit_test(new_and_gone),
		cmocka_unit_test(changes_in_their_context),
		cmocka_unit_test(hunks_apart_are_separated),
		cmocka_unit_test(a_missing_newline_is_shown),
		cmocka_unit_test(other_line_ends_are_shown),
		cmocka_unit_test(binary_is_one_line),
		cmocka_unit_test(it_adds),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(it_is_small),
		cmocka_unit_test(large_texts_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
