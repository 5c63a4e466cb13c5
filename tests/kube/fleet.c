/*
 * The Kubernetes side of many agents in one process: what a pool of nodes costs its API server.
 *
 *     fleet URL CREDENTIALS NODES SECONDS SPEED [slots | pods | event]
 *
 * Every agent is a proven host named fleet-0, fleet-1 ... with a connection and timers of its own. As often
 * as agent.recheck says its worker ends and has changed nothing; what it would look at on its host is not
 * there. With `slots` each wants one instead, with `pods` its settings have an engine of the kubelet, and with
 * `event` it sees a fault, and sees it again. Their clock goes SPEED times as fast as the real one. A line of
 * JSON a second: real seconds since the start, and requests so far by "VERB CODE" (code 0: no
 * answer).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/inside.h"
#include "agent/kube.h"
#include "agent/repair.h"
#include "agent/slots.h"
#include "agent/watch.h"
#include "base/json.h"
#include "node/exit_code.h"
#include "node/journal.h"

#define HOLD_MS	300   /* real */
#define AGAIN_MS 30000 /* of the agents' clock: until a fault is seen again */
#define WORK_MS 900   /* what a worker takes that changes nothing */

struct fleet {
	struct event_base *base;
	struct agent *agents;
	struct agent_options *options;
	char **names;
	size_t len;
	uint64_t begun, ends; /* real, ms */
	struct event *second;
	unsigned held, most, turns, rechecks;
};

static struct fleet fleet;

static unsigned speed = 1;

static uint64_t real_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The linker puts these in the place of the agent's own. */
uint64_t __wrap_monotonic_ms(void);
uint64_t __wrap_monotonic_ms(void)
{
	return real_ms() * speed;
}

void __wrap_agent_arm(struct event *timer, uint64_t ms);
void __wrap_agent_arm(struct event *timer, uint64_t ms)
{
	uint64_t us = ms * 1000 / speed;
	struct timeval tv = { .tv_sec = (time_t)(us / 1000000),
			      .tv_usec = (suseconds_t)(us % 1000000) };

	(void)evtimer_add(timer, &tv);
}

static void on_held_enough(evutil_socket_t fd, short what, void *userdata)
{
	slot_give_back(userdata);
	fleet.held--;
	fleet.turns++;
}

void __wrap_agent_slot_taken(struct agent *agent);
void __wrap_agent_slot_taken(struct agent *agent)
{
	static const struct timeval HOLD = { .tv_usec = HOLD_MS * 1000 };

	fleet.held++;
	fleet.most = MAX_OF(fleet.most, fleet.held);
	(void)event_base_once(fleet.base, -1, EV_TIMEOUT, on_held_enough, agent, &HOLD);
}

/* ---- a host where nothing ever happens ---- */

void __wrap_look(const struct host *host, const struct spec *spec, struct daemon_places *places, struct sight *ret);
void __wrap_look(const struct host *host, const struct spec *spec, struct daemon_places *places, struct sight *ret)
{
	*ret = (struct sight){ 0 };
}

bool __wrap_host_exists(const struct host *host, const char *path);
bool __wrap_host_exists(const struct host *host, const char *path)
{
	return true;
}

int __wrap_journal_read(const struct host *host, struct journal *ret, struct error *err);
int __wrap_journal_read(const struct host *host, struct journal *ret, struct error *err)
{
	return 0;
}

int __wrap_watch_files(struct agent *agent, const struct journal *journal, struct error *err);
int __wrap_watch_files(struct agent *agent, const struct journal *journal, struct error *err)
{
	return 0;
}

void __wrap_watch_daemons(struct agent *agent);
void __wrap_watch_daemons(struct agent *agent)
{
}

uint64_t __wrap_docker_watch_silence(const struct agent *agent);
uint64_t __wrap_docker_watch_silence(const struct agent *agent)
{
	return 0;
}

bool __wrap_docker_watch_take(struct agent *agent);
bool __wrap_docker_watch_take(struct agent *agent)
{
	return false;
}

uint64_t __wrap_record_mgr(void);
uint64_t __wrap_record_mgr(void)
{
	return 0;
}

static void on_recheck(evutil_socket_t fd, short what, void *userdata)
{
	static const struct worker_result UNCHANGED = { .exit_code = EXIT_DONE, .ms = WORK_MS };
	struct agent *agent = userdata;

	__wrap_agent_arm(agent->recheck_timer, agent_jittered(agent->spec.agent.recheck));
	agent_worker_done(agent, &UNCHANGED);
	fleet.rechecks++;
}

static void on_fault(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	kube_event(agent, "drift", "a file was changed", true);
	if (!agent->look_due)
		__wrap_agent_arm(agent->look_timer, AGAIN_MS);
	agent->look_due = 1;
}

static void die(const struct error *err)
{
	(void)fprintf(stderr, "fleet: %s\n", err->message);
	exit(1);
}

/* `berth_kube_requests_total{verb="GET",code="200"} 5` on top of `sums`. */
static void add_count(char *line, json_t *sums)
{
	const char *name = strsep(&line, "\""), *verb = strsep(&line, "\"");
	const char *comma = strsep(&line, "\""), *code = strsep(&line, "\"");
	char key[32];

	if (strcmp(name, "berth_kube_requests_total{verb=") != 0 || !comma || !code || !line)
		return;
	(void)snprintf(key, sizeof(key), "%s %s", verb, code);
	(void)json_object_set_new(
		sums, key, json_integer(json_get_int(sums, key, 0) + strtoll(line + 1, NULL, 10)));
}

/* One agent's counters, as it tells them itself. */
static void add_counts(const struct agent *agent, json_t *sums)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	char *save;

	kube_metrics(agent, &text);
	save = text.data;
	while (save)
		add_count(strsep(&save, "\n"), sums);
}

static void on_second(evutil_socket_t fd, short what, void *userdata)
{
	_cleanup_json_ json_t *sums = json_object();
	_cleanup_free_ char *line = NULL;
	uint64_t now = real_ms();

	for (size_t i = 0; i < fleet.len; i++)
		add_counts(&fleet.agents[i], sums);
	line = json_dumps(sums, JSON_COMPACT | JSON_SORT_KEYS);
	(void)fprintf(
		stdout,
		"{\"seconds\":%.3f,\"requests\":%s,\"held\":%u,\"most\":%u,\"turns\":%u,\"rechecks\":%u}\n",
		(double)(now - fleet.begun) / 1000, line, fleet.held, fleet.most, fleet.turns, fleet.rechecks);
	(void)fflush(stdout);
	if (now >= fleet.ends)
		(void)event_base_loopbreak(fleet.base);
}

static void make_agent(size_t i, const char *settings)
{
	struct agent *agent = &fleet.agents[i];
	struct error err = ERROR_INIT;

	fleet.names[i] = xasprintf("fleet-%zu", i);
	fleet.options[i].node_name = fleet.names[i];
	*agent = (struct agent){ .options = &fleet.options[i],
				 .base = fleet.base,
				 .host = HOST_INIT,
				 .repairing = FAULT_COUNT,
				 .recheck_timer = evtimer_new(fleet.base, on_recheck, agent),
				 .look_timer = evtimer_new(fleet.base, on_fault, agent),
				 .made = true,
				 .proven = true };
	if (spec_parse(settings, strlen(settings), "fleet", &agent->spec, &err) < 0 ||
	    kube_open(agent, &err) < 0)
		die(&err);
}

static void begin(struct agent *agent, const char *word)
{
	if (strcmp(word, "slots") == 0)
		slot_want(agent);
	else
		__wrap_agent_arm(agent->recheck_timer, agent_spread(agent->spec.agent.recheck / 2));
	if (strcmp(word, "event") == 0)
		__wrap_agent_arm(agent->look_timer, 0);
}

static void release_agent(size_t i)
{
	event_free(fleet.agents[i].recheck_timer);
	event_free(fleet.agents[i].look_timer);
	kube_close(&fleet.agents[i]);
	spec_release(&fleet.agents[i].spec);
	free(fleet.names[i]);
}

int main(int argc, char **argv)
{
	static const struct timeval SECOND = { .tv_sec = 1 };
	_cleanup_free_ char *settings = NULL;
	const char *word;

	if (argc < 6 || argc > 7) {
		(void)fputs("fleet URL CREDENTIALS NODES SECONDS SPEED [slots | pods | event]\n", stderr);
		return 2;
	}
	word = argc == 7 ? argv[6] : "";
	fleet.begun = real_ms();
	settings = xasprintf("engine: %s\nkubernetes:\n  server: %s\n  credentials: %s\n",
			     strcmp(word, "pods") == 0 ? "containerd" : "docker", argv[1], argv[2]);
	fleet.len = strtoul(argv[3], NULL, 10);
	fleet.ends = fleet.begun + strtoul(argv[4], NULL, 10) * 1000;
	speed = (unsigned)strtoul(argv[5], NULL, 10);
	fleet.base = event_base_new();
	fleet.agents = calloc(fleet.len, sizeof(*fleet.agents));
	fleet.options = calloc(fleet.len, sizeof(*fleet.options));
	fleet.names = calloc(fleet.len, sizeof(*fleet.names));
	if (!settings || !fleet.base || !fleet.agents || !fleet.options || !fleet.names || !speed)
		return 2;
	for (size_t i = 0; i < fleet.len; i++)
		make_agent(i, settings);
	for (size_t i = 0; i < fleet.len; i++)
		begin(&fleet.agents[i], word);
	fleet.second = event_new(fleet.base, -1, EV_PERSIST, on_second, NULL);
	if (!fleet.second || event_add(fleet.second, &SECOND) < 0)
		return 2;
	(void)event_base_dispatch(fleet.base);
	event_free(fleet.second);
	for (size_t i = 0; i < fleet.len; i++)
		release_agent(i);
	event_base_free(fleet.base);
	free(fleet.agents);
	free(fleet.options);
	free(fleet.names);
	return 0;
}
