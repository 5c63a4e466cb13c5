#include "agent/kube_ask.h"

#define BODY_CAP   ((size_t)4 << 20)
#define ANSWER_MS  15000
#define CONNECT_MS 5000
#define WHY_MAX	   512

void kube_client_release(struct kube_client *client)
{
	http_loop_free(client->loop);
	kube_access_release(&client->access);
}

static void on_answer(void *userdata, int r, const struct http_response *response, const struct error *err)
{
	struct kube_client *client = userdata;
	struct kube_answer answer = { 0 };
	_cleanup_json_ json_t *body = NULL;
	char why[WHY_MAX] = "";
	const char *message;

	if (r < 0) {
		(void)snprintf(why, sizeof(why), "%.500s", err->message);
	} else {
		answer.status = response->status;
		answer.retry_ms = MIN_OF(response->retry_after_s, (uint64_t)3600) * 1000;
		(void)json_parse(strbuf_str(&response->body), response->body.len, "an answer", &body, NULL);
	}
	if (answer.status >= 400) {
		message = json_get_string(body, "message");
		(void)snprintf(why, sizeof(why), "status %ld: %.400s", answer.status, message ? message : "");
	}
	if (answer.status == 401)
		kube_access_expire(&client->access);
	kube_count(client->counts, client->verb, answer.status);
	answer.body = body;
	answer.why = why;
	client->done(client->userdata, &answer);
}

int kube_ask(struct kube_client *client, const char *method, char *path, const char *type, json_t *body,
	     kube_done_fn done, void *userdata, struct error *err)
{
	_cleanup_json_ json_t *object = body;
	_cleanup_free_ char *behind = path;
	_cleanup_free_ char *url = behind ? xasprintf("%s%s", client->access.server, behind) : NULL;
	_cleanup_free_ char *text = object ? json_line(object) : NULL;
	const char *headers[] = { NULL, "Accept: application/json", NULL };
	struct http_request request = {
		.method = method,
		.url = url,
		.headers = headers,
		.content_type = type,
		.body = text,
		.body_len = text ? strlen(text) : 0,
		.body_cap = BODY_CAP,
		.timeout_ms = ANSWER_MS,
		.connect_timeout_ms = CONNECT_MS,
	};
	int r = kube_access_refresh(&client->access, err);

	if (r < 0)
		return r;
	if (!url || (object && !text))
		return error_errno(err, ENOMEM, "ask the API server");
	headers[0] = client->access.authorization;
	request.authorities = client->access.authorities;
	client->done = done;
	client->userdata = userdata;
	client->verb = method;
	return http_multi_start(http_loop_multi(client->loop), &request, on_answer, client, NULL, err);
}
