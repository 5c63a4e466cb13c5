#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "sandbox/settings.h"

#include <cmocka.h>

static int parse(const char *text, struct settings *ret, struct error *err)
{
	error_clear(err);
	return settings_parse(text, strlen(text), "runc.conf", ret, err);
}

static void what_is_read(void **state)
{
	struct error err = ERROR_INIT;
	struct settings s;

	assert_int_equal(parse("# a comment\n\n runtime=/usr/bin/runc \r\nbudget =\t1048576\nimage =\n"
			       "allow_unlimited = true\nfirst_project = 5\nlast_project = 9", &s, &err), 0);
	assert_string_equal(s.runtime, "/usr/bin/runc");
	assert_int_equal(s.budget, 1048576);
	assert_string_equal(s.image, "");
	assert_true(s.allow_unlimited);
	assert_int_equal(s.projects.first, 5);
	assert_int_equal(s.projects.last, 9);
	assert_string_equal(s.pool, "/var/lib/berth/pool");
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} TABLE[] = {
		{ "runtime\n", "line 1: it is no 'key = value'" },
		{ "\n\nruntiem = /x\n", "line 3: the key is unknown" },
		{ "runtime = runc", "line 1: the value is not understood" },
		{ "runtime = ", "line 1: the value is not understood" },
		{ "pool =", "line 1: the value is not understood" },
		{ "budget = 10G", "line 1: the value is not understood" },
		{ "budget = -1", "line 1: the value is not understood" },
		{ "budget = 99999999999999999999", "line 1: the value is not understood" },
		{ "allow_unlimited = yes", "line 1: the value is not understood" },
		{ "first_project = 0", "line 1: the value is not understood" },
		{ "last_project = 4294967295", "line 1: the value is not understood" },
		{ "first_project = 9\nlast_project = 5", "first_project is above last_project" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct error err = ERROR_INIT;
		struct settings s = { .budget = 77 };

		assert_int_equal(parse(TABLE[i].text, &s, &err), -EINVAL);
		if (!strstr(err.message, TABLE[i].says))
			fail_msg("'%s' says '%s'", TABLE[i].text, err.message);
		assert_int_equal(s.budget, 77);
	}
}

static void a_path_that_is_too_long(void **state)
{
	char text[SETTINGS_PATH_MAX + 40] = "pool = /";
	struct error err = ERROR_INIT;
	struct settings s;

	memset(text + 8, 'x', SETTINGS_PATH_MAX);
	assert_int_equal(parse(text, &s, &err), -EINVAL);
}

static void a_zero_byte(void **state)
{
	static const char text[] = "budget = 1\n\0first_project = 7\n";
	struct error err = ERROR_INIT;
	struct settings s;

	assert_int_equal(settings_parse(text, sizeof(text) - 1, "runc.conf", &s, &err), -EINVAL);
	assert_non_null(strstr(err.message, "zero byte"));
}

static void written_and_read_again(void **state)
{
	struct settings s = settings_default(), again = { .budget = 1 };
	_cleanup_free_ char *text = NULL;
	struct error err = ERROR_INIT;

	s.budget = 0;
	s.allow_unlimited = true;
	s.floor = 12345;
	s.projects.first = 7;
	text = settings_text(&s);
	assert_non_null(text);
	assert_int_equal(parse(text, &again, &err), 0);
	assert_memory_equal(&again.projects, &s.projects, sizeof(s.projects));
	assert_int_equal(again.budget, 0);
	assert_int_equal(again.floor, 12345);
	assert_true(again.allow_unlimited);
	assert_string_equal(again.runtime, s.runtime);
}

static void no_file_is_the_defaults(void **state)
{
	struct error err = ERROR_INIT;
	struct settings s;

	assert_int_equal(settings_read("/nonexistent/runc.conf", &s, &err), 0);
	assert_string_equal(s.runtime, "/usr/bin/sysbox-runc");
	assert_int_equal(s.budget, (uint64_t)10 << 30);
	/* What is there and cannot be read is no file of nobody's. */
	assert_true(settings_read("/tmp", &s, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(a_path_that_is_too_long),
		cmocka_unit_test(a_zero_byte),
		cmocka_unit_test(written_and_read_again),
		cmocka_unit_test(no_file_is_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
