/* The loop: what happened, a look, faults, a repair, a look. */
#include <signal.h>
#include <sys/random.h>
#include <time.h>

#include "agent/docker_watch.h"
#include "agent/kube.h"
#include "agent/limit_hits.h"
#include "agent/reconnect.h"
#include "agent/repair.h"
#include "agent/say.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "change/failures.h"
#include "node/journal.h"
#include "node/spec_source.h"

#define QUIET_MS 60000 /* a look without a cause: at the disk below, at a stopped daemon */

void agent_arm(struct event *timer, uint64_t ms)
{
	struct timeval tv = { .tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	(void)evtimer_add(timer, &tv);
}

/* `ms`, and up to `by` more or less. */
static uint64_t about(uint64_t ms, uint64_t by)
{
	uint32_t random = UINT32_MAX / 2;

	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return ms - by + (uint64_t)((double)random / UINT32_MAX * 2 * (double)by);
}

uint64_t agent_jittered(uint64_t ms)
{
	return about(ms, ms / 10);
}

uint64_t agent_spread(uint64_t ms)
{
	return about(ms, ms);
}

/* ---- what wakes the loop ---- */

void agent_look_in(struct agent *agent, uint64_t ms)
{
	uint64_t due = monotonic_ms() + ms;

	if (agent->look_due && agent->look_due <= due)
		return;
	agent->look_due = due;
	agent_arm(agent->look_timer, ms);
}

void agent_event(struct agent *agent, enum agent_source source)
{
	agent->events[source]++;
	agent_look_now(agent, monotonic_ms());
	agent_repair_next(agent);
}

static void on_look(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	agent->look_due = 0;
	agent_look_now(agent, monotonic_ms());
	agent_look_at_drift(agent);
	agent_repair_next(agent);
	agent_look_in(agent, agent_jittered(QUIET_MS));
}

static void on_repair(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	agent_repair_next(userdata);
}

static void on_recheck(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	agent_arm(agent->recheck_timer, agent_jittered(agent->spec.agent.recheck));
	agent_recheck(agent);
}

/* ---- settings ---- */

static int read_spec(struct agent *agent, struct spec *ret, struct error *err)
{
	return spec_source_load(&agent->host, agent->options->config, ret, NULL, err);
}

static void use_spec(struct agent *agent)
{
	agent->faults.give_up = (unsigned)agent->spec.agent.give_up;
	agent->faults.evicts = spec_has_pods(&agent->spec) && agent->spec.kubernetes.stranded_pods == STRANDED_EVICT;
	say_format(agent->options->log_format ? strcmp(agent->options->log_format, "json") == 0 :
						agent->spec.agent.log_format == LOG_FORMAT_JSON);
}

static void refuse(const struct error *err)
{
	say(SAY_ERROR, "the new settings are refused, the old ones stay", "why", err->message);
}

/* All that was given up is tried again, but a kubelet's move: that ends pods each time, and waits for berth install. */
static void forgive(struct agent *agent)
{
	static const struct change_kind *const KINDS[] = { &change_handler, &change_crio_handler };

	faults_forgive(&agent->faults, monotonic_ms());
	agent->attempts = 0;
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		struct error err = ERROR_INIT;

		if (failures_forget(&agent->host, KINDS[i], &err) < 0)
			say(SAY_WARN, "a change that was taken back too often stays left", "why", err.message);
	}
}

static void on_hangup(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;
	_cleanup_(spec_release) struct spec before = SPEC_INIT;
	struct spec fresh = SPEC_INIT;
	struct error err = ERROR_INIT;

	(void)fd;
	(void)what;
	if (read_spec(agent, &fresh, &err) < 0) {
		refuse(&err);
		return;
	}
	before = agent->spec;
	agent->spec = fresh;
	if (reconnect(agent, &before, &err) < 0) {
		agent->spec = before;
		before = fresh;
		refuse(&err);
		return;
	}
	use_spec(agent);
	kube_look_again(agent);
	say(SAY_INFO, "settings read again");
	agent->made = agent->made && !agent->uninstalled && host_exists(&agent->host, JOURNAL_FILE);
	agent->uninstalled = false;
	forgive(agent);
	agent_arm(agent->recheck_timer, 0);
}

static void on_leave(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	(void)event_base_loopbreak(agent->base);
}

/* ---- from start to end ---- */

static int add_signals(struct agent *agent)
{
	static const int NUMBERS[] = { SIGTERM, SIGINT, SIGHUP };

	for (size_t i = 0; i < ARRAY_SIZE(NUMBERS); i++) {
		agent->signals[i] = evsignal_new(agent->base, NUMBERS[i],
						 NUMBERS[i] == SIGHUP ? on_hangup : on_leave, agent);
		if (!agent->signals[i] || event_add(agent->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int set_up(struct agent *agent, struct error *err)
{
	const char *listen = agent->options->listen;
	int r;

	agent->base = event_base_new();
	agent->look_timer = agent->base ? evtimer_new(agent->base, on_look, agent) : NULL;
	agent->repair_timer = agent->base ? evtimer_new(agent->base, on_repair, agent) : NULL;
	agent->recheck_timer = agent->base ? evtimer_new(agent->base, on_recheck, agent) : NULL;
	if (!agent->look_timer || !agent->repair_timer || !agent->recheck_timer || add_signals(agent) < 0)
		return error_errno(err, ENOMEM, "start the agent");
	agent->worker = (struct worker){ .base = agent->base, .done = agent_worker_done,
					 .change = agent_worker_change, .userdata = agent };
	r = server_open(agent, listen ? listen : agent->spec.agent.listen, err);
	if (r == 0)
		r = docker_watch_open(agent, err);
	if (r == 0)
		r = watches_open(agent, err);
	if (r == 0)
		r = agent_read_journal(agent, err);
	if (r == 0)
		r = kube_open(agent, err);
	if (r == 0)
		limit_hits_open(agent);
	return r;
}

static void take_down(struct agent *agent)
{
	struct event *const timers[] = { agent->look_timer, agent->repair_timer, agent->recheck_timer,
					 agent->signals[0], agent->signals[1],	 agent->signals[2] };

	worker_release(&agent->worker);
	limit_hits_close(agent);
	watches_close(agent);
	docker_watch_close(agent);
	kube_close(agent);
	server_close(agent);
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		if (timers[i])
			event_free(timers[i]);
	}
	if (agent->base)
		event_base_free(agent->base);
	daemon_places_release(&agent->places);
	spec_release(&agent->spec);
	host_release(&agent->host);
}

int agent_run(const struct agent_options *options, struct error *err)
{
	struct agent agent = { .options = options, .host = HOST_INIT, .repairing = FAULT_COUNT,
			       .started = time(NULL) };
	int r = host_open_root(NULL, &agent.host, err);

	if (r == 0)
		r = read_spec(&agent, &agent.spec, err);
	if (r == 0) {
		use_spec(&agent);
		r = set_up(&agent, err);
	}
	if (r == 0) {
		say(SAY_INFO, "the agent begins", "version", BERTH_VERSION, "listen",
		    options->listen ? options->listen : agent.spec.agent.listen);
		agent_look_now(&agent, monotonic_ms());
		agent_arm(agent.recheck_timer, 0);
		agent_look_in(&agent, agent_jittered(QUIET_MS));
		(void)event_base_dispatch(agent.base);
		say(SAY_INFO, "the agent leaves; the node stays as it is", NULL);
	}
	take_down(&agent);
	return r;
}
