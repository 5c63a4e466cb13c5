#include <setjmp.h>
#include <stdarg.h>

#include "base/json.h"

#include <cmocka.h>

static json_t *parsed(const char *text)
{
	struct error err = ERROR_INIT;
	json_t *value = NULL;

	assert_int_equal(json_parse(text, strlen(text), "test", &value, &err), 0);
	assert_non_null(value);
	assert_int_equal(err.code, 0);
	return value;
}

static void parses_any_value(void **state)
{
	_cleanup_json_ json_t *object = parsed(" {\"a\": [1, 2.5, null]}\n");
	_cleanup_json_ json_t *number = parsed("7");
	_cleanup_json_ json_t *string = parsed("\"\\u00e9\"");

	assert_true(json_is_object(object));
	assert_int_equal(json_integer_value(number), 7);
	assert_string_equal(json_string_value(string), "\xc3\xa9");
}

static void refuses(void **state)
{
	static const char *const BAD[] = {
		"",
		"{",
		"{\"a\":1,}",
		"{'a':1}",
		"[1 2]",
		"nul",
		"01",
		"\"\xff\"",
		"{} {}",
		"{\"a\":1,\"a\":2}",
		"1e999",
		"\"\\ud800\"",
		"\"a\nb\"",
		"// x\n{}",
		"{\"a\":1,\"\\u0061\":2}",
		"\"\\u0000\"",
		"99999999999999999999",
	};

	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		struct error err = ERROR_INIT;
		json_t *value = NULL;

		if (json_parse(BAD[i], strlen(BAD[i]), "'/f.json'", &value, &err) != -EINVAL)
			fail_msg("was taken: %s", BAD[i]);
		assert_null(value);
		assert_int_equal(err.code, EINVAL);
		assert_int_equal(strncmp(err.message, "'/f.json' is not valid JSON: line ", 34), 0);
	}
}

static void says_where(void **state)
{
	static const char TEXT[] = "{\n  \"a\": 1,\n  \"b\" 2\n}\n";
	struct error err = ERROR_INIT;
	json_t *value = NULL;

	assert_int_equal(json_parse(TEXT, strlen(TEXT), "x", &value, &err), -EINVAL);
	assert_non_null(strstr(err.message, "line 3, column "));
	assert_int_equal(json_parse(TEXT, strlen(TEXT), "x", &value, NULL), -EINVAL);
}

static void length_is_obeyed(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_json_ json_t *value = NULL;

	assert_int_equal(json_parse("{}garbage", 2, "x", &value, &err), 0);
	assert_int_equal(json_parse("{}\0", 3, "x", &value, &err), -EINVAL);
}

static void deep_nesting_is_refused(void **state)
{
	struct error err = ERROR_INIT;
	json_t *value = NULL;
	size_t len = 1000000;
	_cleanup_free_ char *text = malloc(len);

	assert_non_null(text);
	memset(text, '[', len);
	assert_int_equal(json_parse(text, len, "x", &value, &err), -EINVAL);
	assert_null(value);
}

static void members_of_a_type(void **state)
{
	_cleanup_json_ json_t *o =
		parsed("{\"s\":\"x\",\"i\":-3,\"t\":true,\"f\":false,\"n\":null,\"r\":1.0}");

	assert_string_equal(json_get_string(o, "s"), "x");
	assert_null(json_get_string(o, "i"));
	assert_null(json_get_string(o, "absent"));
	assert_null(json_get_string(NULL, "s"));
	assert_int_equal(json_get_int(o, "i", 9), -3);
	assert_int_equal(json_get_int(o, "s", 9), 9);
	assert_int_equal(json_get_int(o, "r", 9), 9);
	assert_int_equal(json_get_int(o, "n", 9), 9);
	assert_int_equal(json_get_int(NULL, "i", 9), 9);
	assert_true(json_get_bool(o, "t", false));
	assert_false(json_get_bool(o, "f", true));
	assert_true(json_get_bool(o, "n", true));
	assert_false(json_get_bool(o, "i", false));
}

static void one_line(void **state)
{
	_cleanup_json_ json_t *a = parsed("{ \"b\" : [1, {\"z\":1,\"y\":\"\\n\"}],\n\"a\":null }");
	_cleanup_json_ json_t *b = parsed("{\"a\":null,\"b\":[1,{\"y\":\"\\n\",\"z\":1}]}");
	_cleanup_json_ json_t *word = parsed("\"w\"");
	_cleanup_free_ char *line_a = json_line(a), *line_b = json_line(b),
			    *line_w = json_line(word);

	assert_string_equal(line_a, "{\"a\":null,\"b\":[1,{\"y\":\"\\n\",\"z\":1}]}");
	assert_string_equal(line_a, line_b);
	assert_string_equal(line_w, "\"w\"");
}

static void strings_of_an_array(void **state)
{
	_cleanup_json_ json_t *array = json_pack("[s, i, n, s]", "one", 2, "three");

	assert_true(json_has_string(array, "one"));
	assert_true(json_has_string(array, "three"));
	assert_false(json_has_string(array, "two"));
	assert_false(json_has_string(array, ""));
	assert_false(json_has_string(NULL, "one"));
	assert_false(json_has_string(json_array_get(array, 0), "one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_any_value),
		cmocka_unit_test(refuses),
		cmocka_unit_test(says_where),
		cmocka_unit_test(length_is_obeyed),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(members_of_a_type),
		cmocka_unit_test(one_line), cmocka_unit_test(strings_of_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
