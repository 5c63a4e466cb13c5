#include "agent/server.h"

#include <event2/buffer.h>
#include <event2/http.h>

#include "agent/inside.h"
#include "agent/metrics.h"
#include "agent/usage.h"
#include "base/clock.h"
#include "spec/listen.h"

#define HEADERS_MAX   8192
#define TIMEOUT_S     10
#define ANSWER_AGE_MS 1000 /* of /metrics: a hundred scrapers cost what one does */

struct server {
	struct evhttp *http;
	struct usages usages;
	struct strbuf answer;
	uint64_t answered; /* when `answer` was made, 0: never */
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

int server_open(struct agent *agent, const char *listen, struct error *err)
{
	struct server *server = calloc(1, sizeof(*server));
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
	if (evhttp_bind_socket(server->http, address, port) < 0)
		return error_errno(err, errno ? errno : EADDRNOTAVAIL, "answer at %s", listen);
	return 0;
}

void server_close(struct agent *agent)
{
	struct server *server = agent->server;

	if (!server)
		return;
	if (server->http)
		evhttp_free(server->http);
	usages_release(&server->usages);
	strbuf_release(&server->answer);
	free(server);
	agent->server = NULL;
}
