#include "step_fixture.h"

#include "step/layout.h"

static void said_that_a_pool_keeps_its_size(void **state)
{
	must(step_pool.check(&step, &report, &must_err));
	assert_null(check_of("pool.size")); /* none is there yet */
	put("/var/lib/docker-xfs.img", "");
	assert_int_equal(truncate(real("/var/lib/docker-xfs.img"), (off_t)spec.pool.size), 0);
	must(step_pool.check(&step, &report, &must_err));
	assert_null(check_of("pool.size"));
	spec.pool.size *= 2;
	must(step_pool.check(&step, &report, &must_err));
	assert_verdict("pool.size", CHECK_WARN);
	assert_says(check_of("pool.size")->text, "the pool's image has 50G, pool.size says 100G");
	assert_says(check_of("pool.size")->remedy, "berth pool grow");
}

/* The setting stays what it was when the pool grows. */
static void a_pool_that_has_grown_is_no_news(void **state)
{
	put("/var/lib/docker-xfs.img", "");
	assert_int_equal(truncate(real("/var/lib/docker-xfs.img"), (off_t)spec.pool.size + 4096), 0);
	must(step_pool.check(&step, &report, &must_err));
	assert_null(check_of("pool.size"));
}

static void the_image_is_nothing_to_a_pool_on_a_device(void **state)
{
	put("/var/lib/docker-xfs.img", "not one");
	free(spec.pool.device);
	spec.pool.device = strdup("/dev/sdb");
	must(step_pool.check(&step, &report, &must_err));
	assert_null(check_of("pool.size"));
}

/* No unit that Docker needs is written before its mount's data is where it belongs. */
static void mounts_come_behind_the_data(void **state)
{
	size_t moved = 0, mount = 0;

	put("/usr/sbin/mkfs.xfs", "");
	assert_int_equal(chmod(real("/usr/sbin/mkfs.xfs"), 0755), 0);
	put("/var/lib/docker/image/x", "data");
	put_recorded("disk=200G\n");
	must(plan_step(&step_pool, &must_err));
	for (size_t i = 0; i < plan.len; i++) {
		const struct change *c = &plan.items[i];

		if (c->kind == &change_move && strcmp(c->target, DOCKER_DATA) == 0)
			moved = i + 1;
		if (strcmp(c->target, UNIT_DIR "/" DOCKER_MOUNT) == 0)
			mount = i + 1;
	}
	assert_true(moved && mount);
	assert_true(moved < mount);
}

static bool planned(const struct change_kind *kind, const char *target)
{
	return plan_find(&plan, kind, target) != NULL;
}

static void plan_with_tools(void)
{
	put("/usr/sbin/mkfs.xfs", "");
	assert_int_equal(chmod(real("/usr/sbin/mkfs.xfs"), 0755), 0);
	must(host_mkdirs(&host, "/var/lib", 0755, NULL, &must_err));
	put_recorded("filesystem:/var/lib=ext4 214748364800 107374182400\n");
	must(plan_step(&step_pool, &must_err));
}

static void timers_come_last(void **state)
{
	const struct change *last;

	plan_with_tools();
	assert_true(planned(&change_file, UNIT_DIR "/berth-pool-auto.service"));
	assert_true(planned(&change_enable, "berth-pool-auto.timer"));
	assert_true(planned(&change_start, "berth-pool-auto.timer"));
	/* A service that is started by its timer is not started by us. */
	assert_false(planned(&change_start, "berth-pool-auto.service"));
	assert_false(planned(&change_start, "berth-pool-trim.service"));
	last = &plan.items[plan.len - 1];
	assert_ptr_equal(last->kind, &change_start);
	assert_string_equal(last->target, "berth-pool-trim.timer");
}

static void without_trim_there_is_no_timer_for_it(void **state)
{
	spec.pool.trim = false;
	plan_with_tools();
	assert_true(planned(&change_start, "berth-pool-auto.timer"));
	assert_false(planned(&change_enable, "berth-pool-trim.timer"));
	assert_false(planned(&change_start, "berth-pool-trim.timer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(said_that_a_pool_keeps_its_size),
		step_test(the_image_is_nothing_to_a_pool_on_a_device),
		step_test(mounts_come_behind_the_data),
		step_test(a_pool_that_has_grown_is_no_news),
		step_test(timers_come_last),
		step_test(without_trim_there_is_no_timer_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
