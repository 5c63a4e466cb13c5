#include "agent/server.h"

#include <dirent.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "agent/inside.h"
#include "agent/metrics.h"
#include "agent/usage.h"
#include "base/clock.h"
#include "spec/listen.h"

#define HEADERS_MAX	8192
#define TIMEOUT_S	10
#define DESCRIPTORS_MAX 256  /* of the whole process; a service has 1024 */
#define ANSWER_AGE_MS	1000 /* of /metrics: a hundred scrapers cost what one does */

struct server {
	struct evhttp *http;
	struct usages usages;
	struct strbuf answer;
	uint64_t answered; /* when `answer` was made, 0: never */
	struct evconnlistener *listener; /* of http's */
	struct event *again;		 /* listens again */
};

static void send_text(struct evhttp_request *request, int code, const char *reason, const char *type,
		      const char *text, size_t len)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evbuffer_new();

	if (!body || evbuffer_add(body, text, len) < 0 ||
	    evhttp_add_header(headers, "Content-Type", type) < 0) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else {
		(void)evhttp_add_header(headers, "Cache-Control", "no-store");
		evhttp_send_reply(request, code, reason, body);
	}
	if (body)
		evbuffer_free(body);
}

static void answer_metrics(struct evhttp_request *request, void *userdata)
{
	struct agent *agent = userdata;
	struct server *server = agent->server;
	uint64_t now = monotonic_ms();

	if (!server->answered || now - server->answered >= ANSWER_AGE_MS) {
		strbuf_reset(&server->answer);
		(void)usages_refresh(&server->usages, &agent->host, NULL);
		metrics_write(agent, &server->usages, &server->answer);
		server->answered = strbuf_failed(&server->answer) ? 0 : now;
	}
	if (!server->answered) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	send_text(request, HTTP_OK, "OK", METRICS_TYPE, strbuf_str(&server->answer), server->answer.len);
}

static void answer_health(struct evhttp_request *request, void *userdata)
{
	(void)userdata;
	send_text(request, HTTP_OK, "OK", "text/plain", "ok\n", 3);
}

static void answer_ready(struct evhttp_request *request, void *userdata)
{
	const struct agent *agent = userdata;
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;

	if (agent_is_ready(agent)) {
		send_text(request, HTTP_OK, "OK", "text/plain", "ready\n", 6);
		return;
	}
	if (agent->withdrawn)
		strbuf_puts(&why, "berth was uninstalled on this host\n");
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &agent->faults.items[i];

		if (f->active && fault_rules[i].spoils)
			strbuf_printf(&why, "%s: %s\n", fault_rules[i].name, f->detail);
	}
	if (!why.len)
		strbuf_puts(&why, "not proven yet\n");
	send_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", "text/plain", strbuf_str(&why), why.len);
}

static void answer_other(struct evhttp_request *request, void *userdata)
{
	(void)userdata;
	send_text(request, HTTP_NOTFOUND, "Not Found", "text/plain", "/metrics, /healthz, /readyz\n", 28);
}

static bool are_too_many(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!dir)
		return true;
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n > DESCRIPTORS_MAX;
}

/*
 * Each connection is a descriptor, and who can connect can hold many: the agent needs its own to look and to repair. They
 * wait in the kernel's queue meanwhile, and idle ones end by their time.
 */
static void listen_where_room_is(struct server *server)
{
	static const struct timeval PAUSE = { .tv_sec = 1 };

	if (!are_too_many()) {
		(void)evconnlistener_enable(server->listener);
		return;
	}
	(void)evconnlistener_disable(server->listener);
	(void)evtimer_add(server->again, &PAUSE);
}

static struct bufferevent *on_connection(struct event_base *base, void *userdata)
{
	(void)base;
	listen_where_room_is(userdata);
	return NULL; /* evhttp makes it */
}

static void listen_again(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	listen_where_room_is(userdata);
}

int server_open(struct agent *agent, const char *listen, struct error *err)
{
	struct server *server = calloc(1, sizeof(*server));
	struct evhttp_bound_socket *bound;
	unsigned short port;
	char address[LISTEN_ADDRESS_MAX];

	if (!server)
		return error_errno(err, ENOMEM, "answer at %s", listen);
	agent->server = server;
	if (listen_parse(listen, address, &port) < 0)
		return error_set(err, EINVAL, "agent.listen '%s' is no address and port, as 127.0.0.1:9477", listen);
	server->http = evhttp_new(agent->base);
	if (!server->http)
		return error_errno(err, ENOMEM, "answer at %s", listen);
	evhttp_set_timeout(server->http, TIMEOUT_S);
	evhttp_set_max_headers_size(server->http, HEADERS_MAX);
	evhttp_set_max_body_size(server->http, 0);
	evhttp_set_allowed_methods(server->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	(void)evhttp_set_cb(server->http, "/metrics", answer_metrics, agent);
	(void)evhttp_set_cb(server->http, "/healthz", answer_health, agent);
	(void)evhttp_set_cb(server->http, "/readyz", answer_ready, agent);
	evhttp_set_gencb(server->http, answer_other, agent);
	server->again = evtimer_new(agent->base, listen_again, server);
	bound = server->again ? evhttp_bind_socket_with_handle(server->http, address, port) : NULL;
	if (!bound)
		return error_errno(err, errno ? errno : EADDRNOTAVAIL, "answer at %s", listen);
	server->listener = evhttp_bound_socket_get_listener(bound);
	evhttp_set_bevcb(server->http, on_connection, server);
	return 0;
}

void server_close(struct agent *agent)
{
	struct server *server = agent->server;

	if (!server)
		return;
	if (server->again)
		event_free(server->again);
	if (server->http)
		evhttp_free(server->http);
	usages_release(&server->usages);
	strbuf_release(&server->answer);
	free(server);
	agent->server = NULL;
}
