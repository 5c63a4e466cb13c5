#include "change_fixture.h"

#define KEY  "fs.inotify.max_user_watches"
#define PATH "/proc/sys/fs/inotify/max_user_watches"

static const struct change *plan_key(json_int_t at_least)
{
	return plan_one(&change_sysctl, KEY, json_pack("{s:I}", "at_least", at_least));
}

static void raised_and_put_back(void **state)
{
	const struct change *c;

	put(PATH, "8192\n");
	c = plan_key(1048576);
	assert_string_equal(described(c), "- 8192\n+ 1048576\n");
	make_it_so(c);
	assert_text(PATH, "1048576\n");
	assert_null(plan_key(1048576));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(PATH, "8192\n");
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void never_lowered(void **state)
{
	put(PATH, "2097152\n");
	assert_null(plan_key(1048576));
	assert_null(plan_key(2097152));
	assert_text(PATH, "2097152\n");
}

static void a_kernel_without_it(void **state)
{
	assert_null(plan_key(1));
}

static void changed_since_is_left(void **state)
{
	const struct change *c;

	put(PATH, "8192\n");
	c = plan_key(1048576);
	make_it_so(c);
	put(PATH, "4194304\n");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_string_equal(strbuf_str(&why), KEY " was set to 4194304 since: left as it is");
	assert_text(PATH, "4194304\n");
	assert_int_equal(unlink(real(PATH)), 0);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void undo_of_a_cut_off_change(void **state)
{
	const struct change *c;

	put(PATH, "8192\n");
	c = plan_key(1048576);
	make_it_so(c);
	json_decref(TAKE_PTR(after));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(PATH, "8192\n");
}

static void several_columns_and_no_number(void **state)
{
	struct error err = ERROR_INIT;
	json_t *want = json_pack("{s:i}", "at_least", 10);

	put(PATH, "20\t5\n");
	assert_null(plan_key(10));
	put(PATH, "-1\n");
	assert_non_null(plan_key(10));
	put(PATH, "many\n");
	assert_int_equal(plan_add(&plan, &ctx, &change_sysctl, KEY, want, NULL, NULL, &err),
			 -EINVAL);
	assert_string_equal(err.message, "the kernel setting " KEY " is not a number: 'many'");
}

static void it_must_be_writable(void **state)
{
	const struct change *c;
	struct error err = ERROR_INIT;

	put(PATH, "1\n");
	c = plan_key(10);
	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(unlink(real(PATH)), 0);
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -ENOENT);
	assert_says(err.message, "set the kernel setting " KEY " to 10");
	assert_false(is_there(PATH)); /* never made */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(raised_and_put_back),      change_test(never_lowered),
		change_test(a_kernel_without_it),      change_test(changed_since_is_left),
		change_test(undo_of_a_cut_off_change), change_test(several_columns_and_no_number),
		change_test(it_must_be_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
