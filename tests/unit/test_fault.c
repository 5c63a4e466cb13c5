#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/fault.h"

static struct faults faults;

static int setup(void **state)
{
	(void)state;
	memset(&faults, 0, sizeof(faults));
	faults.give_up = 3;
	return 0;
}

static const struct fault *dead(void)
{
	return &faults.items[FAULT_DOCKER_DEAD];
}

static enum fault_news is(uint64_t now)
{
	return fault_is(&faults, FAULT_DOCKER_DEAD, "dockerd does not run", now, now);
}

static enum fault_news is_not(uint64_t now)
{
	return fault_is_not(&faults, FAULT_DOCKER_DEAD, now);
}

static void the_table_is_whole(void **state)
{
	(void)state;
	for (int i = 0; i < FAULT_COUNT; i++) {
		assert_non_null(fault_rules[i].name);
		assert_non_null(fault_rules[i].what);
		assert_non_null(fault_rules[i].remedy);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(fault_rules[i].name, fault_rules[j].name);
	}
	for (size_t i = 1; i < FAULT_BUCKETS - 1; i++)
		assert_true(fault_bounds[i] > fault_bounds[i - 1]);
}

static void seen_and_repaired(void **state)
{
	uint64_t wait;

	(void)state;
	assert_int_equal(fault_due(&faults, 1000, &wait), FAULT_COUNT);
	assert_true(wait == UINT64_MAX);
	assert_false(faults_spoil(&faults));
	assert_int_equal(is_not(1000), FAULT_NO_NEWS);
	assert_int_equal(is(1000), FAULT_SEEN);
	assert_int_equal(is(1010), FAULT_NO_NEWS);
	assert_int_equal(fault_is(&faults, FAULT_DOCKER_DEAD, "otherwise", 1020, 1020), FAULT_OTHERWISE);
	assert_true(faults_spoil(&faults));
	assert_int_equal(fault_due(&faults, 1020, &wait), FAULT_DOCKER_DEAD);
	assert_int_equal(wait, 0);
	fault_try(&faults, FAULT_DOCKER_DEAD, 1020);
	assert_int_equal(fault_due(&faults, 1020, &wait), FAULT_COUNT);
	assert_int_equal(wait, FAULT_PAUSE_FIRST);
	assert_int_equal(is_not(1300), FAULT_GONE);
	assert_int_equal(dead()->seen, 1);
	assert_int_equal(dead()->repaired, 1);
	assert_int_equal(dead()->repair_ms, 300);
	assert_int_equal(dead()->buckets[2], 1); /* up to 500 ms */
	assert_false(faults_spoil(&faults));
}

static void spaced_out_and_given_up(void **state)
{
	uint64_t now = 1000, wait, last = 0;

	(void)state;
	(void)is(now);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fault_due(&faults, now, &wait), FAULT_DOCKER_DEAD);
		fault_try(&faults, FAULT_DOCKER_DEAD, now);
		(void)fault_due(&faults, now, &wait);
		assert_int_equal(wait, i ? last * 2 : FAULT_PAUSE_FIRST);
		last = wait;
		assert_int_equal(fault_failed(&faults, FAULT_DOCKER_DEAD, false, "it says why"),
				 i == 2 ? FAULT_GAVE_UP : FAULT_NO_NEWS);
		now += wait;
	}
	assert_string_equal(dead()->detail, "it says why");
	assert_int_equal(dead()->failed, 3);
	assert_true(dead()->gave_up);
	assert_int_equal(fault_due(&faults, now + FAULT_PAUSE_MAX, &wait), FAULT_COUNT);
	assert_int_equal(fault_failed(&faults, FAULT_DOCKER_DEAD, false, ""), FAULT_NO_NEWS); /* said once */
	faults_forgive(&faults, now);
	assert_int_equal(fault_due(&faults, now, &wait), FAULT_DOCKER_DEAD);
	for (unsigned i = 0; i < 40; i++)
		fault_try(&faults, FAULT_DOCKER_DEAD, now);
	(void)fault_due(&faults, now, &wait);
	assert_int_equal(wait, FAULT_PAUSE_MAX);
}

/* A loop of crashes is repaired ever more slowly, and then left to people; calm makes it new again. */
static void one_that_comes_back(void **state)
{
	uint64_t now = 1000, wait;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(is(now), FAULT_SEEN);
		(void)fault_due(&faults, now, &wait);
		assert_int_equal(wait, i ? FAULT_PAUSE_FIRST << (i - 1) : 0);
		now += wait;
		fault_try(&faults, FAULT_DOCKER_DEAD, now);
		assert_int_equal(is_not(now), FAULT_GONE);
	}
	assert_int_equal(is(now), FAULT_GAVE_UP);
	assert_int_equal(fault_due(&faults, now + 10 * FAULT_PAUSE_MAX, &wait), FAULT_COUNT);
	assert_int_equal(is_not(now), FAULT_GONE); /* somebody repaired it */
	now += FAULT_CALM + 1;
	assert_int_equal(is(now), FAULT_SEEN);
	assert_int_equal(fault_due(&faults, now, &wait), FAULT_DOCKER_DEAD);
}

static void what_is_not_repaired(void **state)
{
	uint64_t wait;

	(void)state;
	assert_int_equal(fault_is(&faults, FAULT_UNIT_MASKED, "docker.service", 5, 5), FAULT_SEEN);
	assert_int_equal(fault_due(&faults, 5, &wait), FAULT_COUNT);
	assert_true(wait == UINT64_MAX);
	(void)is(5);
	fault_try(&faults, FAULT_DOCKER_DEAD, 5);
	assert_int_equal(fault_failed(&faults, FAULT_DOCKER_DEAD, true, "not an agent's"), FAULT_GAVE_UP);
	assert_int_equal(dead()->left, 1);
}

/* Only where the settings say so. */
static void what_is_evicted(void **state)
{
	uint64_t wait;

	(void)state;
	assert_int_equal(fault_is(&faults, FAULT_SANDBOXES_NEED_RESTART, "1: a/b", 5, 5), FAULT_SEEN);
	assert_int_equal(fault_due(&faults, 5, &wait), FAULT_COUNT);
	assert_true(wait == UINT64_MAX);
	faults.evicts = true;
	assert_int_equal(fault_due(&faults, 5, &wait), FAULT_SANDBOXES_NEED_RESTART);
}

/* berth was uninstalled beneath the agent: nothing was repaired, and nothing is due. */
static void dropped_is_not_repaired(void **state)
{
	uint64_t wait;

	(void)state;
	(void)is(1000);
	(void)fault_is(&faults, FAULT_API_UNREACHABLE, "away", 1000, 1000);
	(void)fault_failed(&faults, FAULT_DOCKER_DEAD, true, "left");
	faults_drop(&faults);
	assert_false(dead()->active || dead()->gave_up);
	assert_int_equal(dead()->repaired, 0);
	assert_false(faults_spoil(&faults));
	assert_int_equal(fault_due(&faults, 2000, &wait), FAULT_COUNT);
	assert_true(faults.items[FAULT_API_UNREACHABLE].active);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_table_is_whole, setup),
		cmocka_unit_test_setup(seen_and_repaired, setup),
		cmocka_unit_test_setup(spaced_out_and_given_up, setup),
		cmocka_unit_test_setup(one_that_comes_back, setup),
		cmocka_unit_test_setup(what_is_not_repaired, setup),
		cmocka_unit_test_setup(what_is_evicted, setup),
		cmocka_unit_test_setup(dropped_is_not_repaired, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
