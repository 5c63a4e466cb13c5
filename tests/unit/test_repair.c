#include "host_fixture.h"

#include "agent/docker_watch.h"
#include "agent/repair.h"
#include "agent/watch.h"
#include "node/exit_code.h"
#include "node/journal.h"

static const struct agent_options options;
static struct agent agent;

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	(void)userdata;
}

/* An agent that looks and tells, of a host that was made one. */
static int setup(void **state)
{
	int r = test_setup(state);

	agent = (struct agent){ .options = &options, .base = event_base_new(), .repairing = FAULT_COUNT, .made = true,
				.proven = true, .faults.give_up = 3 };
	must(host_open_root(host.root, &agent.host, &must_err));
	must(spec_default(&agent.spec, &must_err));
	agent.spec.agent.repair = false;
	agent.look_timer = evtimer_new(agent.base, on_timer, NULL);
	agent.repair_timer = evtimer_new(agent.base, on_timer, NULL);
	agent.recheck_timer = evtimer_new(agent.base, on_timer, NULL);
	must(docker_watch_open(&agent, &must_err));
	must(watches_open(&agent, &must_err));
	put(JOURNAL_FILE, "");
	return r;
}

static int teardown(void **state)
{
	watches_close(&agent);
	docker_watch_close(&agent);
	event_free(agent.look_timer);
	event_free(agent.repair_timer);
	event_free(agent.recheck_timer);
	event_base_free(agent.base);
	daemon_places_release(&agent.places);
	spec_release(&agent.spec);
	host_release(&agent.host);
	return test_teardown(state);
}

static bool is(enum fault_id id)
{
	return agent.faults.items[id].active;
}

static void uninstalled_beneath_it(void **state)
{
	agent_set_fault(&agent, FAULT_DOCKER_DEAD, true, "dockerd does not run", 1);
	agent.drift_since = 1;
	assert_int_equal(unlink(real(JOURNAL_FILE)), 0);
	agent_repair_next(&agent);
	assert_true(agent.withdrawn);
	assert_false(faults_spoil(&agent.faults)); /* of which the first would be the Node's reason */
	assert_int_equal(agent.drift_since, 0);
	agent_look_now(&agent, 1);
	assert_false(faults_spoil(&agent.faults));
	assert_int_equal(agent.faults.items[FAULT_DOCKER_DEAD].repaired, 0);
	assert_false(agent_is_ready(&agent));
	/* And installed again. */
	put(JOURNAL_FILE, "");
	agent_repair_next(&agent);
	assert_false(agent.withdrawn);
	agent_look_now(&agent, 1);
	assert_true(is(FAULT_DOCKER_DEAD));
}

static void mask(const char *unit)
{
	_cleanup_free_ char *path = xasprintf("/run/systemd/system/%s", unit);

	must(host_mkdirs(&host, "/run/systemd/system", 0755, NULL, &must_err));
	must(host_symlink(&host, "/dev/null", path, &must_err));
}

/* What was left for a mask is told as that, until it is gone; it is no drift. */
static void left_for_a_mask(void **state)
{
	struct worker_result result = { .exit_code = EXIT_DONE, .left = 1, .masked = 1,
					.masked_unit = "berth-prune.timer" };

	mask("berth-prune.timer");
	agent.task = TASK_CONVERGE_QUICK;
	agent_worker_done(&agent, &result);
	assert_true(is(FAULT_UNIT_MASKED));
	assert_string_equal(agent.faults.items[FAULT_UNIT_MASKED].detail, "berth-prune.timer is masked");
	assert_false(is(FAULT_DRIFT));
	assert_false(agent.proven);
	agent_look_now(&agent, 1);
	assert_true(is(FAULT_UNIT_MASKED));
	/* Unmasked: what was left is done soon. */
	assert_false(evtimer_pending(agent.recheck_timer, NULL));
	assert_int_equal(unlink(real("/run/systemd/system/berth-prune.timer")), 0);
	agent_look_now(&agent, 1);
	assert_false(is(FAULT_UNIT_MASKED));
	assert_true(evtimer_pending(agent.recheck_timer, NULL));
}

static void left_for_something_else_too(void **state)
{
	struct worker_result result = { .exit_code = EXIT_DONE, .left = 2, .masked = 1,
					.masked_unit = "docker.service", .message = "move data is left: ask" };

	mask("docker.service");
	agent.task = TASK_CONVERGE_QUICK;
	agent_worker_done(&agent, &result);
	assert_true(is(FAULT_UNIT_MASKED));
	assert_true(is(FAULT_DRIFT));
	assert_string_equal(agent.faults.items[FAULT_DRIFT].detail, "move data is left: ask");
}

/* What is only done later is no fault, neither while it waits nor when it is done, and the node is ready until then. */
static void what_waits(void **state)
{
	struct worker_result waits = { .exit_code = EXIT_DONE, .until = "until no sandbox runs any more: 1 do" };
	struct worker_result done = { .exit_code = EXIT_DONE, .changed = 3 };

	agent.task = TASK_CONVERGE_QUICK;
	agent_worker_done(&agent, &waits);
	assert_true(agent.proven);
	assert_string_equal(agent.until, waits.until);
	agent_worker_done(&agent, &done);
	assert_true(agent.proven);
	assert_string_equal(agent.until, "");
	assert_int_equal(agent.faults.items[FAULT_DRIFT].seen, 0);
	/* The same changes unawaited were something that drifted. */
	agent_worker_done(&agent, &done);
	assert_int_equal(agent.faults.items[FAULT_DRIFT].seen, 1);
}

#define repair_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		repair_test(uninstalled_beneath_it),
		repair_test(left_for_a_mask),
		repair_test(left_for_something_else_too),
		repair_test(what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
