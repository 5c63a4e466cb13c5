#include "step_fixture.h"

#include "step/layout.h"

static void the_timer_is_enabled_and_started(void **state)
{
	must(plan_step(&step_prune, &must_err));
	assert_int_equal(plan.len, 4);
	assert_string_equal(plan.items[0].target, UNIT_DIR "/" PRUNE_SERVICE);
	assert_non_null(strstr(plan.items[0].data, "ExecStart=" BERTH_PROGRAM " prune scheduled "));
	assert_non_null(strstr(plan.items[0].data, "IOSchedulingClass=idle\n"));
	assert_string_equal(plan.items[1].target, UNIT_DIR "/" PRUNE_TIMER);
	assert_non_null(strstr(plan.items[1].data, "Persistent=true\n"));
	assert_ptr_equal(plan.items[2].kind, &change_enable);
	assert_ptr_equal(plan.items[3].kind, &change_start);
	assert_string_equal(plan.items[3].target, PRUNE_TIMER);
	/* A waiting timer is "active"; its service is not enabled, and never planned to run. */
	put_unit(PRUNE_TIMER, "inactive", "disabled", "");
	carry_out();
	assert_true(unit_has(PRUNE_TIMER, "ActiveState=active"));
	assert_true(unit_has(PRUNE_TIMER, "UnitFileState=enabled"));
	must(plan_step(&step_prune, &must_err));
	assert_int_equal(plan.len, 0);
}

static void it_is_a_choice(void **state)
{
	_cleanup_(strbuf_release) struct strbuf line = STRBUF_INIT;

	spec.prune.enabled = false;
	must(plan_step(&step_prune, &must_err));
	assert_int_equal(plan.len, 0);
	must(step_prune.verify(&step, &report, &must_err));
	assert_verdict("prune.timer", CHECK_SKIP);
	must(step_prune.probe(&step, &line, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&line), "prune.enabled is false");
}

static void a_stopped_timer_is_told(void **state)
{
	_cleanup_(strbuf_release) struct strbuf line = STRBUF_INIT;

	put_unit(PRUNE_TIMER, "inactive", "enabled", "");
	must(step_prune.verify(&step, &report, &must_err));
	assert_verdict("prune.timer", CHECK_FAIL);
	must(step_prune.probe(&step, &line, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&line), "timer inactive");
	report_release(&report);
	put_unit(PRUNE_TIMER, "active", "enabled", "");
	context_changed(&step.change);
	must(step_prune.verify(&step, &report, &must_err));
	assert_verdict("prune.timer", CHECK_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(the_timer_is_enabled_and_started),
		step_test(it_is_a_choice),
		step_test(a_stopped_timer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
