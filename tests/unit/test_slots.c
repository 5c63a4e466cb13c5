/* A slot of a pool, with an API server of a few lines, on a clock that a test turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/kube.h"
#include "agent/kube_ask.h"
#include "agent/repair.h"
#include "agent/slots.h"

static char cluster; /* whose insides nobody here looks at */
static const struct agent_options options = { .node_name = "n1" };
static struct agent agent;
static uint64_t now, armed; /* in ms from `now`; UINT64_MAX: it is not */
static struct event *timer;
static unsigned taken;

/* The request under way; NULL: none. */
static struct {
	const char *method;
	json_t *body;
	kube_done_fn done;
} asked;

uint64_t __wrap_monotonic_ms(void);
uint64_t __wrap_monotonic_ms(void)
{
	return now;
}

void __wrap_agent_arm(struct event *which, uint64_t ms);
void __wrap_agent_arm(struct event *which, uint64_t ms)
{
	timer = which;
	armed = ms;
}

void __wrap_agent_slot_taken(struct agent *a);
void __wrap_agent_slot_taken(struct agent *a)
{
	(void)a;
	taken++;
}

int __wrap_kube_open_client(struct agent *a, struct kube_client *ret, struct error *err);
int __wrap_kube_open_client(struct agent *a, struct kube_client *ret, struct error *err)
{
	(void)a;
	(void)err;
	ret->access.namespace = strdup("berth");
	return 0;
}

int __wrap_kube_ask(struct kube_client *client, const char *method, char *path, const char *type, json_t *body,
		    kube_done_fn done, void *userdata, struct error *err);
int __wrap_kube_ask(struct kube_client *client, const char *method, char *path, const char *type, json_t *body,
		    kube_done_fn done, void *userdata, struct error *err)
{
	(void)client;
	(void)type;
	(void)userdata;
	(void)err;
	assert_null(asked.method); /* one at a time */
	free(path);
	asked.method = method;
	asked.body = body;
	asked.done = done;
	return 0;
}

/* What was asked is answered: as it was written, or with nothing. */
static void answer(long status)
{
	_cleanup_json_ json_t *body = asked.body;
	struct kube_answer given = { .status = status, .body = status == 200 ? body : NULL,
				     .why = status ? "refused" : "no answer" };
	kube_done_fn done = asked.done;

	assert_non_null(asked.method);
	memset(&asked, 0, sizeof(asked));
	done(&agent, &given);
}

/* The timer's time comes. */
static void pass(void)
{
	assert_true(armed != UINT64_MAX);
	now += armed;
	armed = UINT64_MAX;
	event_active(timer, EV_TIMEOUT, 0);
	(void)event_base_loop(agent.base, EVLOOP_NONBLOCK);
}

static int setup(void **state)
{
	(void)state;
	now = 1000000;
	taken = 0;
	armed = UINT64_MAX;
	agent = (struct agent){ .options = &options, .host = HOST_INIT, .base = event_base_new() };
	agent.kube = (struct kube *)(void *)&cluster;
	return agent.base ? spec_default(&agent.spec, NULL) : -1;
}

static int teardown(void **state)
{
	(void)state;
	slots_close(&agent);
	json_decref(asked.body);
	memset(&asked, 0, sizeof(asked));
	spec_release(&agent.spec);
	event_base_free(agent.base);
	return 0;
}

static void take_a_slot(void)
{
	slot_want(&agent);
	assert_string_equal(asked.method, "GET");
	answer(404);
	assert_string_equal(asked.method, "POST");
	answer(200);
	assert_int_equal(taken, 1);
	assert_true(slot_is_held(&agent));
}

static void held_and_given_back(void **state)
{
	(void)state;
	assert_false(slot_is_held(&agent));
	take_a_slot();
	slot_give_back(&agent);
	assert_false(slot_is_held(&agent));
	assert_string_equal(asked.method, "PUT");
	answer(200);
	assert_null(asked.method);
}

/* Nothing is interrupted on the word of a while ago: another berth was at work meanwhile, say. */
static void asked_again_before_an_interruption(void **state)
{
	(void)state;
	take_a_slot();
	now += 60000;
	assert_false(slot_is_held(&agent));
	slot_want(&agent); /* the run that might not interrupt has ended */
	slot_want(&agent);
	assert_int_equal(armed, 0);
	assert_int_equal(taken, 1);
	pass();
	assert_string_equal(asked.method, "PUT");
	answer(200);
	assert_int_equal(taken, 2);
	assert_true(slot_is_held(&agent));
}

static void nothing_while_the_server_is_away(void **state)
{
	(void)state;
	take_a_slot();
	now += 60000;
	slot_want(&agent);
	for (int i = 0; i < 3; i++) {
		pass();
		answer(0);
		assert_false(slot_is_held(&agent));
		assert_int_equal(taken, 1);
		assert_in_range(armed, 1000, 120000);
	}
	/* Something else has heard of it. */
	slots_hurry(&agent);
	assert_in_range(armed, 0, 10000);
	pass();
	answer(200);
	assert_int_equal(taken, 2);
	assert_true(slot_is_held(&agent));
}

static void away_for_longer_than_it_was_ours(void **state)
{
	int tries = 0;

	(void)state;
	take_a_slot();
	now += 60000;
	slot_want(&agent);
	for (pass(); strcmp(asked.method, "PUT") == 0 && tries < 50; tries++) {
		answer(503);
		pass();
	}
	assert_in_range(tries, 2, 20);
	assert_string_equal(asked.method, "GET"); /* from the beginning */
	answer(404);
	answer(200);
	assert_int_equal(taken, 2);
}

/* What nobody waits for is kept without a word. */
static void renewed_in_time(void **state)
{
	(void)state;
	take_a_slot();
	pass();
	assert_string_equal(asked.method, "PUT");
	answer(200);
	assert_int_equal(taken, 1);
	assert_true(slot_is_held(&agent));
	pass();
	slot_want(&agent); /* while it is renewed */
	answer(200);
	assert_int_equal(taken, 2);
}

#define slots_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		slots_test(held_and_given_back),
		slots_test(asked_again_before_an_interruption),
		slots_test(nothing_while_the_server_is_away),
		slots_test(away_for_longer_than_it_was_ours),
		slots_test(renewed_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
