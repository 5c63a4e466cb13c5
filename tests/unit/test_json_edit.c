#include <setjmp.h>
#include <stdarg.h>

#include "base/json_edit.h"

#include <cmocka.h>

#define PATH(...) ((const char *const[]) { __VA_ARGS__, NULL })

static json_t *tree(const char *text)
{
	struct error err = ERROR_INIT;
	json_t *value = NULL;

	if (json_parse(text, strlen(text), "test", &value, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	return value;
}

static void set(const char *text, const char *const *path, const char *value, const char *expected)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_json_ json_t *v = tree(value);
	struct error err = ERROR_INIT;

	strbuf_puts(&sb, text);
	if (json_edit_set(&sb, path, v, &err) != 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(strbuf_str(&sb), expected);
	assert_int_equal(sb.len, strlen(expected));
	/* Once more: nothing changes. */
	assert_int_equal(json_edit_set(&sb, path, v, &err), 0);
	assert_string_equal(strbuf_str(&sb), expected);
}

static void removed(const char *text, const char *const *path, const char *expected)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	strbuf_puts(&sb, text);
	if (json_edit_remove(&sb, path, &err) != 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(strbuf_str(&sb), expected);
	assert_int_equal(json_edit_remove(&sb, path, &err), 0);
	assert_string_equal(strbuf_str(&sb), expected);
}

/* Set and remove both fail with r, and leave the text alone. */
static void refused(const char *text, const char *const *path, int r, const char *message)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_json_ json_t *v = json_true();
	struct error err = ERROR_INIT;

	strbuf_puts(&sb, text);
	assert_int_equal(json_edit_set(&sb, path, v, &err), r);
	assert_int_equal(err.code, -r);
	if (!strstr(err.message, message))
		fail_msg("'%s' has no '%s'", err.message, message);
	error_clear(&err);
	assert_int_equal(json_edit_remove(&sb, path, &err), r);
	assert_non_null(strstr(err.message, message));
	assert_string_equal(strbuf_str(&sb), text);
	assert_int_equal(json_edit_remove(&sb, path, NULL), r);
}

static void blank_is_an_empty_object(void **state)
{
	set("", PATH("a"), "1", "{\n  \"a\": 1\n}\n");
	set(" \n\t\r\n", PATH("a"), "1", "{\n  \"a\": 1\n}\n");
	set("{}", PATH("a"), "1", "{\n  \"a\": 1\n}");
	set("{}\n", PATH("a"), "1", "{\n  \"a\": 1\n}\n");
	set("{ }\r\n", PATH("a"), "{\"b\":1}", "{\r\n  \"a\": {\r\n    \"b\": 1\r\n  }\r\n}\r\n");
	removed("", PATH("a"), "");
	removed(" \n", PATH("a", "b"), " \n");
	removed("{}", PATH("a"), "{}");
}

static void a_value_is_replaced_in_its_place(void **state)
{
	set("{\"a\":1}", PATH("a"), "2", "{\"a\":2}");
	set("{ \"a\" :\t1 ,\n\"b\":[ ] }", PATH("a"), "\"x\"", "{ \"a\" :\t\"x\" ,\n\"b\":[ ] }");
	set("{\"a\":\"}\\\"{,\",\"b\":-1.5e+3}", PATH("b"), "null",
	    "{\"a\":\"}\\\"{,\",\"b\":null}");
	set("{\"a\":{\"b\":{\"c\":1}},\"d\":0}", PATH("a", "b", "c"), "[]",
	    "{\"a\":{\"b\":{\"c\":[]}},\"d\":0}");
	set("{\"a\": {\"x\": [1, {\"a\": 2}]}, \"b\": {\"a\": 3}}", PATH("b", "a"), "4",
	    "{\"a\": {\"x\": [1, {\"a\": 2}]}, \"b\": {\"a\": 4}}");
}

static void equal_is_left_as_it_is_written(void **state)
{
	set("{\"a\" : [1,  2 ]}", PATH("a"), "[1,2]", "{\"a\" : [1,  2 ]}");
	set("{\"a\":{\"x\":1,\"y\":2}}", PATH("a"), "{\"y\":2,\"x\":1}",
	    "{\"a\":{\"x\":1,\"y\":2}}");
	set("{\"a\":\"\\u0062\"}", PATH("a"), "\"b\"", "{\"a\":\"\\u0062\"}");
	set("{\"a\":1e2}", PATH("a"), "100.0", "{\"a\":1e2}");
}

static void a_list_keeps_its_lines(void **state)
{
	set("{\n  \"a\": [\"x\", \"y\"],\n  \"b\": 1\n}\n", PATH("a"), "[\"z\"]",
	    "{\n  \"a\": [\"z\"],\n  \"b\": 1\n}\n");
	set("{\n  \"a\": [\n    1\n  ]\n}\n", PATH("a"), "[2,3]",
	    "{\n  \"a\": [\n    2,\n    3\n  ]\n}\n");
	set("{\n  \"a\": []\n}\n", PATH("a"), "[2]", "{\n  \"a\": [\n    2\n  ]\n}\n");
	set("{\n  \"a\": 7\n}\n", PATH("a"), "{}", "{\n  \"a\": {}\n}\n");
}

static void new_members_look_like_the_others(void **state)
{
	set("{\"a\":1}", PATH("b"), "2", "{\"a\":1,\"b\":2}");
	set("{\"a\": 1}", PATH("b"), "2", "{\"a\": 1, \"b\": 2}");
	set("{ \"a\": 1, \"b\": 2 }", PATH("c"), "3", "{ \"a\": 1, \"b\": 2, \"c\": 3 }");
	set("{\"a\":1,\"b\":2}", PATH("c"), "{\"d\":[1,2]}",
	    "{\"a\":1,\"b\":2,\"c\":{\"d\":[1,2]}}");
	set("{\n\t\"a\": 1\n}", PATH("b"), "[1]", "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t1\n\t]\n}");
	set("{\n    \"a\" : 1\n}\n", PATH("b"), "2", "{\n    \"a\" : 1,\n    \"b\" : 2\n}\n");
	set("{\r\n   \"a\": 1\r\n}\r\n", PATH("b"), "{\"c\":1}",
	    "{\r\n   \"a\": 1,\r\n   \"b\": {\r\n      \"c\": 1\r\n   }\r\n}\r\n");
	/* Empty lines between members are not multiplied; commas in front stay in front. */
	set("{\n  \"a\": 1,\n\n  \"b\": 2\n}\n", PATH("c"), "3",
	    "{\n  \"a\": 1,\n\n  \"b\": 2,\n  \"c\": 3\n}\n");
	set("{ \"a\": 1\n, \"b\": 2\n}\n", PATH("c"), "3",
	    "{ \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}\n");
}

static void objects_on_the_way_are_made(void **state)
{
	set("{\n    \"x\": 1\n}\n", PATH("log-opts", "max-size"), "\"10m\"",
	    "{\n    \"x\": 1,\n    \"log-opts\": {\n        \"max-size\": \"10m\"\n    }\n}\n");
	set("{\"x\":1}", PATH("a", "b", "c"), "true", "{\"x\":1,\"a\":{\"b\":{\"c\":true}}}");
	set("{\n\t\"runtimes\": {}\n}\n", PATH("runtimes", "r", "path"), "\"/p\"",
	    "{\n\t\"runtimes\": {\n\t\t\"r\": {\n\t\t\t\"path\": \"/p\"\n\t\t}\n\t}\n}\n");
	set("{\"a\":{},\"b\":1}", PATH("a", "c"), "2", "{\"a\":{\"c\":2},\"b\":1}");
	set("{\n  \"a\": {\n  }\n}", PATH("a", "c"), "2", "{\n  \"a\": {\n    \"c\": 2\n  }\n}");
}

static void removal_takes_its_comma_along(void **state)
{
	removed("{\"a\":1}", PATH("a"), "{}");
	removed("{\"a\":1,\"b\":2,\"c\":3}", PATH("a"), "{\"b\":2,\"c\":3}");
	removed("{\"a\":1,\"b\":2,\"c\":3}", PATH("b"), "{\"a\":1,\"c\":3}");
	removed("{\"a\":1,\"b\":2,\"c\":3}", PATH("c"), "{\"a\":1,\"b\":2}");
	removed("{\n  \"a\": 1,\n  \"b\": {\n    \"c\": 1\n  },\n  \"d\": 2\n}\n", PATH("b"),
		"{\n  \"a\": 1,\n  \"d\": 2\n}\n");
	removed("{\n  \"a\": 1,\n  \"b\": 2\n}\n", PATH("a"), "{\n  \"b\": 2\n}\n");
	removed("{\n  \"a\": 1,\n  \"b\": 2\n}\n", PATH("b"), "{\n  \"a\": 1\n}\n");
	removed("{\n  \"a\": 1\n}\n", PATH("a"), "{}\n");
	removed("{ \"a\": 1\n, \"b\": 2\n}\n", PATH("b"), "{ \"a\": 1\n}\n");
	removed("{\"o\":{\"a\":1,\"b\":2}}", PATH("o", "a"), "{\"o\":{\"b\":2}}");
	removed("{\"o\":{\"a\":1}}", PATH("o", "x"), "{\"o\":{\"a\":1}}");
	removed("{\"o\":{\"a\":1}}", PATH("p", "a"), "{\"o\":{\"a\":1}}");
	removed("{\"o\":{\"a\":[1,\"]\"]}}", PATH("o", "a"), "{\"o\":{}}");
}

static void keys_are_compared_decoded(void **state)
{
	set("{\"a\\u0062\":1}", PATH("ab"), "2", "{\"a\\u0062\":2}");
	set("{\"a\\\\u0062\":1}", PATH("ab"), "2", "{\"a\\\\u0062\":1,\"ab\":2}");
	set("{\"\\\"\":1}", PATH("\""), "2", "{\"\\\"\":2}");
	set("{\"\xc3\xa9\":1}", PATH("\xc3\xa9"), "2", "{\"\xc3\xa9\":2}");
	set("{\"\\u00e9\":1}", PATH("\xc3\xa9"), "2", "{\"\\u00e9\":2}");
	set("{\"\\ud83d\\ude00\":1}", PATH("\xf0\x9f\x98\x80"), "2", "{\"\\ud83d\\ude00\":2}");
	set("{\"\":1}", PATH(""), "2", "{\"\":2}");
	set("{\"a\":1}", PATH("\"\n"), "2", "{\"a\":1,\"\\\"\\n\":2}");
	set("{\"a\":1}", PATH("\xc3\xa9"), "\"\xc3\xa9\"", "{\"a\":1,\"\xc3\xa9\":\"\xc3\xa9\"}");
	removed("{\"a\\/b\":1,\"c\":2}", PATH("a/b"), "{\"c\":2}");
	/* A prefix is another key. */
	set("{\"ab\":1}", PATH("a"), "2", "{\"ab\":1,\"a\":2}");
}

static void what_is_refused(void **state)
{
	refused("{", PATH("a"), -EINVAL, "not valid JSON: line 1");
	refused("{\"a\":1,}", PATH("a"), -EINVAL, "not valid JSON");
	refused("{\"a\":1,\"a\":2}", PATH("a"), -EINVAL, "duplicate");
	refused("{\"a\":1,\"\\u0061\":2}", PATH("a"), -EINVAL, "duplicate");
	refused("{\"a\":1} x", PATH("a"), -EINVAL, "not valid JSON");
	refused("{\"a\":\"\xff\"}", PATH("a"), -EINVAL, "not valid JSON");
	refused("[]", PATH("a"), -EINVAL, "not an object");
	refused("1", PATH("a"), -EINVAL, "not an object");
	refused("null", PATH("a"), -EINVAL, "not an object");
	refused("\xef\xbb\xbf{}", PATH("a"), -EINVAL, "byte order mark");
	refused("\xef\xbb\xbf", PATH("a"), -EINVAL, "byte order mark");
	refused("{\"a\":1}", PATH("a", "b"), -ENOTDIR, "'a' is not an object");
	refused("{\"a\":[]}", PATH("a", "b", "c"), -ENOTDIR, "'a' is not an object");
	refused("{\"a\":{\"b\":null}}", PATH("a", "b", "c"), -ENOTDIR, "'b' is not an object");
	refused("{}", (const char *const[]) { NULL }, -EINVAL, "path is empty");
}

static void values_that_cannot_be_written(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	_cleanup_json_ json_t *nul = json_stringn("a\0b", 3);
	_cleanup_json_ json_t *one = json_integer(1);
	struct error err = ERROR_INIT;

	strbuf_puts(&sb, "{\"x\":1}");
	assert_int_equal(json_edit_set(&sb, PATH("a"), NULL, &err), -EINVAL);
	assert_int_equal(json_edit_set(&sb, PATH("\xff"), one, &err), -EINVAL);
	assert_non_null(strstr(err.message, "UTF-8"));
	assert_int_equal(json_edit_set(&sb, PATH("a", "\xff"), one, &err), -EINVAL);
	/* It would not read back: better no edit than that text. */
	assert_int_equal(json_edit_set(&sb, PATH("a"), nul, &err), -EIO);
	assert_string_equal(strbuf_str(&sb), "{\"x\":1}");
	assert_int_equal(json_edit_remove(&sb, PATH("\xff"), &err), 0);
	sb.failed = true;
	assert_int_equal(json_edit_set(&sb, PATH("a"), one, &err), -ENOMEM);
}

/* jansson does not see a NUL behind a number: we do. */
static void nul_bytes_are_refused(void **state)
{
	static const char *const TEXTS[] = { "{\"a\":1#}", "{\"a\":1#,\"b\":2}", "{}#", "#",
					     "{\"a\":#1}" };

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
		_cleanup_json_ json_t *one = json_integer(1);
		struct error err = ERROR_INIT;

		strbuf_puts(&sb, TEXTS[i]);
		*strchr(sb.data, '#') = '\0';
		assert_int_equal(json_edit_set(&sb, PATH("x"), one, &err), -EINVAL);
		assert_string_equal(err.message, "the text has a NUL byte in it");
		assert_int_equal(json_edit_remove(&sb, PATH("a"), NULL), -EINVAL);
		assert_int_equal(sb.len, strlen(TEXTS[i]));
	}
}

static void numbers_are_exact(void **state)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	static const double REALS[] = { 0.1, 1e300, -2.5e-308, 3.0, 1.0 / 3 };

	strbuf_puts(&sb, "{\"big\":9223372036854775807,\"x\":1.10}");
	for (size_t i = 0; i < ARRAY_SIZE(REALS); i++) {
		_cleanup_json_ json_t *v = json_real(REALS[i]), *back = NULL;

		assert_int_equal(json_edit_set(&sb, PATH("r"), v, NULL), 0);
		back = tree(strbuf_str(&sb));
		assert_true(json_equal(json_object_get(back, "r"), v));
	}
	assert_non_null(strstr(strbuf_str(&sb), "{\"big\":9223372036854775807,\"x\":1.10,\"r\":"));
}

/* Documents by chance, in many layouts. */
static uint64_t seed = 88172645463325252;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void blanks(struct strbuf *sb, unsigned style, unsigned depth)
{
	static const char *const SOME[] = { "", " ", "\t", "\n", "\r\n", "  " };

	if (style == 0)
		return;
	if (style == 3) {
		strbuf_puts(sb, SOME[below(ARRAY_SIZE(SOME))]);
		return;
	}
	strbuf_putc(sb, '\n');
	for (unsigned i = 0; i < depth; i++)
		strbuf_puts(sb, style == 1 ? "  " : "\t");
}

static void random_value(struct strbuf *sb, unsigned style, unsigned depth)
{
	static const char *const SCALARS[] = { "1", "-2.5", "\"x\"", "true",	   "null",
					       "0", "\"\"", "\"}\"", "\"\\\"],\"", "\"\xc3\xa9\"" };
	static const char *const KEYS[] = { "a", "\\u0062", "c", "d\\\"", "\xc3\xa9" };
	bool object = depth == 1 || below(2);
	unsigned n = below(4), first = below(5);

	if (depth > 4 || (depth > 1 && below(2))) {
		strbuf_puts(sb, SCALARS[below(ARRAY_SIZE(SCALARS))]);
		return;
	}
	strbuf_putc(sb, object ? '{' : '[');
	for (unsigned i = 0; i < n; i++) {
		if (i)
			strbuf_putc(sb, ',');
		blanks(sb, style, depth);
		if (object) {
			strbuf_printf(sb, "\"%s\":", KEYS[(first + i) % 5]);
			if (style)
				strbuf_putc(sb, ' ');
		}
		random_value(sb, style, depth + 1);
	}
	if (n || style == 3)
		blanks(sb, style, depth - 1);
	strbuf_putc(sb, object ? '}' : ']');
}

static void random_path(const char **path)
{
	static const char *const KEYS[] = { "a", "b", "c", "d\"", "\xc3\xa9", "new" };
	unsigned n = 1 + below(3);

	for (unsigned i = 0; i < n; i++)
		path[i] = KEYS[below(ARRAY_SIZE(KEYS))];
	path[n] = NULL;
}

/* How many bytes of the shorter are not the common head and tail of the two. */
static size_t bytes_between(const struct strbuf *a, const struct strbuf *b)
{
	size_t shorter = MIN_OF(a->len, b->len), head = 0, tail = 0;

	while (head < shorter && a->data[head] == b->data[head])
		head++;
	while (tail < shorter - head && a->data[a->len - 1 - tail] == b->data[b->len - 1 - tail])
		tail++;
	return shorter - head - tail;
}

/*
 * A member was put in and nothing else changed. In an empty object the blanks between its braces
 * make room for it.
 */
static void assert_put_in(const struct strbuf *old_text, const struct strbuf *new_text)
{
	size_t between = bytes_between(old_text, new_text), blank = 0;

	for (const char *p = strchr(old_text->data, '{'); p; p = strchr(p + 1, '{')) {
		size_t n = strspn(p + 1, " \t\r\n");

		if (p[n + 1] == '}')
			blank = MAX_OF(blank, n);
	}
	assert_true(between <= blank);
}

/* Whether the path's member is there: 1, 0, or -1 where something on the way is no object. */
static int has_member(const json_t *o, const char *const *path)
{
	for (; *path; path++) {
		if (!json_is_object(o))
			return -1;
		o = json_object_get(o, *path);
		if (!o)
			return 0;
	}
	return 1;
}

static void set_in_tree(json_t *o, const char *const *path, json_t *value)
{
	for (; path[1]; path++) {
		if (!json_object_get(o, *path))
			json_object_set_new(o, *path, json_object());
		o = json_object_get(o, *path);
	}
	json_object_set(o, *path, value);
}

static void one_random_edit(void)
{
	_cleanup_(strbuf_release) struct strbuf before = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_json_ json_t *old_tree = NULL, *meant = NULL, *got = NULL, *again = NULL;
	_cleanup_json_ json_t *value =
		below(2) ? json_pack("{s[ii]}", "k", 1, 2) : json_integer(77);
	const char *path[4];
	int has;

	random_value(&before, below(4), 1);
	strbuf_puts(&before, below(2) ? "\n" : "");
	strbuf_add(&text, before.data, before.len);
	random_path(path);
	old_tree = tree(before.data);
	has = has_member(old_tree, path);
	if (has < 0) {
		assert_int_equal(json_edit_set(&text, path, value, NULL), -ENOTDIR);
		assert_int_equal(json_edit_remove(&text, path, NULL), -ENOTDIR);
		assert_string_equal(text.data, before.data);
		return;
	}
	meant = json_deep_copy(old_tree);
	set_in_tree(meant, path, value);
	assert_int_equal(json_edit_set(&text, path, value, NULL), 0);
	got = tree(text.data);
	assert_true(json_equal(got, meant));
	if (!has)
		assert_put_in(&before, &text);
	if (has || path[1])
		return;
	/* What was put in and is taken out again was never there. */
	assert_int_equal(json_edit_remove(&text, path, NULL), 0);
	again = tree(text.data);
	assert_true(json_equal(again, old_tree));
	if (json_object_size(old_tree))
		assert_string_equal(text.data, before.data);
}

static void edits_by_chance(void **state)
{
	for (int i = 0; i < 20000; i++)
		one_random_edit();
}

static void remove_in_tree(json_t *o, const char *const *path)
{
	for (; path[1]; path++)
		o = json_object_get(o, *path);
	assert_int_equal(json_object_del(o, *path), 0);
}

static void removals_by_chance(void **state)
{
	unsigned done = 0;

	for (int i = 0; i < 20000; i++) {
		_cleanup_(strbuf_release) struct strbuf before = STRBUF_INIT, text = STRBUF_INIT;
		_cleanup_json_ json_t *meant = NULL, *got = NULL;
		const char *path[4];

		random_value(&before, below(4), 1);
		random_path(path);
		meant = tree(before.data);
		if (has_member(meant, path) != 1)
			continue;
		done++;
		remove_in_tree(meant, path);
		strbuf_add(&text, before.data, before.len);
		assert_int_equal(json_edit_remove(&text, path, NULL), 0);
		got = tree(text.data);
		assert_true(json_equal(got, meant));
		/* One stretch of bytes is gone, and no other changed. */
		assert_true(text.len < before.len);
		assert_int_equal(bytes_between(&before, &text), 0);
	}
	assert_true(done > 1000);
}

/* A replaced value: every byte in front and behind is as it was. */
static void the_rest_is_untouched(void **state)
{
	static const char VALUE[] = "[\"old\", {\"x\": \"}\"}]";

	for (int i = 0; i < 5000; i++) {
		_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
		_cleanup_free_ char *before = NULL;
		_cleanup_json_ json_t *value =
			below(2) ? json_string("n") : json_pack("[i{si}]", 1, "y", 2);
		unsigned style = below(4);
		size_t from, to;

		strbuf_puts(&text, "{");
		blanks(&text, style, 1);
		strbuf_puts(&text, "\"z\": ");
		random_value(&text, style, 1);
		strbuf_puts(&text, ",\"q\": ");
		from = text.len;
		strbuf_puts(&text, VALUE);
		to = text.len;
		strbuf_puts(&text, ",\"w\":");
		random_value(&text, style, 1);
		strbuf_puts(&text, " }\r\n");
		before = strdup(text.data);
		assert_non_null(before);
		assert_int_equal(json_edit_set(&text, PATH("q"), value, NULL), 0);
		assert_memory_equal(text.data, before, from);
		assert_true(text.len > from + strlen(before + to));
		assert_string_equal(text.data + text.len - strlen(before + to), before + to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blank_is_an_empty_object),
		cmocka_unit_test(a_value_is_replaced_in_its_place),
		cmocka_unit_test(equal_is_left_as_it_is_written),
		cmocka_unit_test(a_list_keeps_its_lines),
		cmocka_unit_test(new_members_look_like_the_others),
		cmocka_unit_test(objects_on_the_way_are_made),
		cmocka_unit_test(removal_takes_its_comma_along),
		cmocka_unit_test(keys_are_compared_decoded),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(values_that_cannot_be_written),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(edits_by_chance),
		cmocka_unit_test(removals_by_chance),
		cmocka_unit_test(the_rest_is_untouched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
