#include "agent/docker_watch.h"

#include "agent/http_loop.h"
#include "base/clock.h"
#include "engine/docker.h"

/* {"type":["container"],"event":["start","die","destroy"]} */
#define EVENTS_URL                                                                             \
	"/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C" \
	"%22die%22%2C%22destroy%22%5D%7D"
#define PING_S	    20
#define PING_MS	    10000
#define UP_MS	    50    /* between two questions to one that is on its way up */
#define COALESCE_MS 2000 /* of a flood of events, one look for so long */

struct docker_watch {
	struct http_loop *loop;
	struct http_exchange *stream, *ping;
	struct event *timer;
	char *socket;
	uint64_t asked;	   /* first question without an answer since the last one that had one; 0: none */
	uint64_t silence;  /* ms, of the last question that had none */
	bool answers;
	bool changed;
};

static int on_stream_data(void *userdata, const struct http_response *so_far, const void *data, size_t len)
{
	struct agent *agent = userdata;

	(void)so_far;
	(void)data;
	(void)len;
	agent->events[SOURCE_DOCKER]++;
	agent->docker->answers = true;
	if (!agent->docker->changed) {
		agent->docker->changed = true;
		agent_look_in(agent, COALESCE_MS);
	}
	return 0;
}

/* dockerd is gone, or was restarted: a look tells. */
static void on_stream_end(void *userdata, int r, const struct http_response *response,
			  const struct error *err)
{
	struct agent *agent = userdata;

	(void)r;
	(void)response;
	(void)err;
	agent->docker->stream = NULL;
	agent->docker->answers = false;
	agent_look_in(agent, agent->faults.items[FAULT_DOCKER_DEAD].active ? UP_MS : 1000);
}

/* ---- does it answer? ---- */

static void on_ping(void *userdata, int r, const struct http_response *response, const struct error *err)
{
	struct agent *agent = userdata;
	struct docker_watch *w = agent->docker;
	bool coming = agent->faults.items[FAULT_DOCKER_DEAD].active;

	(void)response;
	(void)err;
	w->ping = NULL;
	if (r == 0) {
		w->asked = w->silence = 0;
		w->answers = true;
		if (coming)
			agent_look_in(agent, 0);
		return;
	}
	/* Too slow, or nobody listens: it is on its way up, or somebody removed its socket. */
	w->silence = monotonic_ms() - w->asked;
	agent_look_in(agent, coming ? UP_MS : 0);
}

static void ask(struct agent *agent)
{
	struct docker_watch *w = agent->docker;
	const struct http_request request = {
		.url = "/_ping",
		.socket_path = w->socket,
		.fresh = true, /* an old connection outlives a socket that somebody removed */
		.timeout_ms = PING_MS,
	};

	if (w->ping || !agent->sight.pids[DAEMON_DOCKER]) {
		if (!w->ping)
			w->asked = w->silence = 0;
		return;
	}
	if (!w->asked)
		w->asked = monotonic_ms();
	(void)http_multi_start(http_loop_multi(w->loop), &request, on_ping, agent, &w->ping, NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	ask(userdata);
}

void docker_watch_listen(struct agent *agent)
{
	struct docker_watch *w = agent->docker;
	const struct http_request request = {
		.url = EVENTS_URL,
		.socket_path = w->socket,
		.timeout_ms = UINT64_MAX,
		.sink = on_stream_data,
		.sink_data = agent,
	};

	if (!w->stream)
		(void)http_multi_start(http_loop_multi(w->loop), &request, on_stream_end, agent, &w->stream,
				       NULL);
	if (!w->answers && agent->faults.items[FAULT_DOCKER_DEAD].active)
		ask(agent);
}

bool docker_watch_answers(const struct agent *agent)
{
	return agent->docker->answers;
}

uint64_t docker_watch_silence(const struct agent *agent)
{
	return agent->docker->silence;
}

bool docker_watch_take(struct agent *agent)
{
	bool changed = agent->docker->changed;

	agent->docker->changed = false;
	return changed;
}

int docker_watch_open(struct agent *agent, struct error *err)
{
	static const struct timeval EVERY = { .tv_sec = PING_S };
	struct docker_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_errno(err, ENOMEM, "watch Docker");
	agent->docker = w;
	w->socket = host_real_path(&agent->host, DOCKER_SOCKET);
	w->timer = event_new(agent->base, -1, EV_PERSIST, on_timer, agent);
	r = http_loop_new(agent->base, &w->loop, err);
	if (r == 0 && (!w->socket || !w->timer || event_add(w->timer, &EVERY) < 0))
		r = error_errno(err, ENOMEM, "watch Docker");
	return r;
}

void docker_watch_close(struct agent *agent)
{
	struct docker_watch *w = agent->docker;

	if (!w)
		return;
	http_loop_free(w->loop);
	if (w->timer)
		event_free(w->timer);
	free(w->socket);
	free(w);
	agent->docker = NULL;
}
