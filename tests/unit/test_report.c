#include <setjmp.h>
#include <stdarg.h>

#include "step/report.h"

#include <cmocka.h>

static void checks_are_kept_and_counted(void **state)
{
	_cleanup_(report_release) struct report report = REPORT_INIT;

	report_add(&report, "a", CHECK_PASS, NULL, "fine");
	report_add(&report, "b", CHECK_FAIL, "do %s", "%d of %d", 1, 2);
	report_add(&report, "c", CHECK_FAIL, NULL, "%s", "");
	assert_int_equal(report.len, 3);
	assert_int_equal(report_count(&report, CHECK_PASS), 1);
	assert_int_equal(report_count(&report, CHECK_FAIL), 2);
	assert_int_equal(report_count(&report, CHECK_WARN), 0);
	assert_string_equal(report.items[1].text, "1 of 2");
	assert_string_equal(report.items[1].remedy, "do %s"); /* as it is, no format */
	assert_string_equal(report.items[2].text, "");
	assert_null(report.items[0].remedy);
}

static void a_remedy_is_copied(void **state)
{
	_cleanup_(report_release) struct report report = REPORT_INIT;
	char remedy[] = "this";

	report_add(&report, "a", CHECK_WARN, remedy, "text");
	remedy[0] = 'X';
	assert_string_equal(report.items[0].remedy, "this");
}

static void verdicts_have_names(void **state)
{
	assert_string_equal(verdict_name(CHECK_PASS), "pass");
	assert_string_equal(verdict_name(CHECK_WARN), "warn");
	assert_string_equal(verdict_name(CHECK_SKIP), "skip");
	assert_string_equal(verdict_name(CHECK_FAIL), "fail");
}

static void as_json(void **state)
{
	_cleanup_(report_release) struct report report = REPORT_INIT;
	_cleanup_json_ json_t *json = NULL;
	_cleanup_json_ json_t *empty = report_json(&report);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(json_array_size(empty), 0);
	report_add(&report, "a.b", CHECK_SKIP, NULL, "a \"quoted\" text");
	report_add(&report, "c", CHECK_FAIL, "mend it", "broken");
	json = report_json(&report);
	text = json_line(json);
	assert_string_equal(text,
			    "[{\"id\":\"a.b\",\"remedy\":null,\"text\":\"a \\\"quoted\\\" text\","
			    "\"verdict\":\"skip\"},{\"id\":\"c\",\"remedy\":\"mend it\","
			    "\"text\":\"broken\",\"verdict\":\"fail\"}]");
}

static void released_twice(void **state)
{
	struct report report = REPORT_INIT;

	report_release(&report);
	report_add(&report, "a", CHECK_PASS, NULL, "x");
	report_release(&report);
	report_release(&report);
	assert_int_equal(report.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_are_kept_and_counted),
		cmocka_unit_test(a_remedy_is_copied),
		cmocka_unit_test(verdicts_have_names),
		cmocka_unit_test(as_json),
		cmocka_unit_test(released_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
