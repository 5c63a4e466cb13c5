#include "host_fixture.h"

#include "agent/docker_watch.h"
#include "agent/repair.h"
#include "agent/watch.h"
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

#define repair_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		repair_test(uninstalled_beneath_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
