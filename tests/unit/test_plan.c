#include "change_fixture.h"

static int fake_result;

static int fake_holds(struct change_context *context, const struct change *change,
		      struct error *err)
{
	(void)context;
	return fake_result < 0 ? error_set(err, -fake_result, "cannot tell '%s'", change->target)
			       : fake_result;
}

static const struct change_kind FAKE = { .name = "fake", .holds = fake_holds };

static int add(const char *target, struct error *err)
{
	return plan_add(&plan, &ctx, &FAKE, target, json_object(), "what stops", "because", err);
}

static void what_is_needed_is_added(void **state)
{
	struct error err = ERROR_INIT;

	fake_result = 0;
	assert_int_equal(add("a", &err), 1);
	assert_int_equal(add("b", &err), 1);
	fake_result = 1;
	assert_int_equal(add("c", &err), 0);
	assert_int_equal(plan.len, 2);
	assert_string_equal(plan.items[0].target, "a");
	assert_string_equal(plan.items[1].target, "b");
	assert_string_equal(plan.items[1].step, "test");
	assert_string_equal(plan.items[1].interrupts, "what stops");
	assert_string_equal(plan.items[1].why, "because");
	assert_ptr_equal(plan.items[1].kind, &FAKE);
}

static void what_holds_may_be_kept(void **state)
{
	struct error err = ERROR_INIT;

	plan.keep_all = true;
	fake_result = 1;
	assert_int_equal(add("a", &err), 1);
	assert_int_equal(plan.len, 1);
}

static void a_doubt_ends_it(void **state)
{
	struct error err = ERROR_INIT;

	fake_result = -EPERM;
	assert_int_equal(add("a", &err), -EPERM);
	assert_string_equal(err.message, "cannot tell 'a'");
	assert_int_equal(plan.len, 0);
	fake_result = 0;
	assert_int_equal(plan_add(&plan, &ctx, &FAKE, "a", NULL, NULL, NULL, &err), -ENOMEM);
	assert_int_equal(plan.len, 0);
}

static void looking_for_one(void **state)
{
	struct error err = ERROR_INIT;

	fake_result = 0;
	add("a", &err);
	add("b", &err);
	assert_ptr_equal(plan_find(&plan, &FAKE, "b"), &plan.items[1]);
	assert_ptr_equal(plan_find(&plan, &FAKE, NULL), &plan.items[0]);
	assert_null(plan_find(&plan, &FAKE, "c"));
	assert_null(plan_find(&plan, &change_file, "a"));
}

static void every_kind_is_complete(void **state)
{
	static const char *const NAMES[] = { "file",   "json",	   "copy",     "sysctl",
					     "module", "packages", "enable",   "start",
					     "stop",   "pool",	   "pool-dir", "move" };

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		const struct change_kind *kind = change_kind_find(NAMES[i]);

		if (!kind)
			fail_msg("there is no kind '%s'", NAMES[i]);
		assert_string_equal(kind->name, NAMES[i]);
		assert_true(kind->holds && kind->describe && kind->capture && kind->apply);
		assert_non_null(kind->undo);
		assert_string_not_equal(change_verb(kind), "");
	}
	assert_null(change_kind_find("of-a-newer-berth"));
	assert_null(change_kind_find(""));
	assert_string_equal(change_verb(&FAKE), "fake");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(what_is_needed_is_added), change_test(what_holds_may_be_kept),
		change_test(a_doubt_ends_it),	      change_test(looking_for_one),
		change_test(every_kind_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
