#include "kube/own_node_ask.h"

#include "base/clock.h"
#include "kube/kubeconfig.h"

#define BODY_CAP   ((size_t)32 << 20)
#define ANSWER_MS  15000
#define CONNECT_MS 5000
#define AGE_MS	   60000

static int refresh(struct own_node *node, struct error *err)
{
	struct kube_access access = KUBE_ACCESS_INIT;
	int r;

	if (node->access.read && monotonic_ms() - node->access.read < AGE_MS)
		return 0;
	r = kubeconfig_read(node->host, node->kubeconfig, &access, err);
	if (r < 0)
		return r;
	kube_access_release(&node->access);
	node->access = access;
	return 0;
}

/* A refusal as an errno: 429 is one that another try may not get. */
static int code_of(long status)
{
	static const struct {
		long status;
		int code;
	} CODES[] = { { 401, EACCES }, { 403, EACCES }, { 404, ENOENT }, { 409, EEXIST }, { 429, EAGAIN } };

	for (size_t i = 0; i < ARRAY_SIZE(CODES); i++) {
		if (CODES[i].status == status)
			return CODES[i].code;
	}
	return EPROTO;
}

int own_node_ask(struct own_node *node, const char *method, const char *path, const char *type, const char *body,
		 json_t **ret, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	const char *headers[] = { "Accept: application/json", NULL, NULL };
	_cleanup_free_ char *url = NULL;
	const char *message;
	struct http_request request;
	int r = refresh(node, err);

	if (r < 0)
		return r;
	url = xasprintf("%s%s", node->access.server, path);
	headers[1] = node->access.authorization;
	request = (struct http_request){
		.method = method, .url = url, .headers = headers, .content_type = type, .body = body,
		.body_len = body ? strlen(body) : 0, .body_cap = BODY_CAP, .timeout_ms = ANSWER_MS,
		.connect_timeout_ms = CONNECT_MS, .authorities = node->access.authorities,
		.certificate = node->access.certificate, .key = node->access.key, .host = node->host,
	};
	r = url ? http_request(&request, &response, err) : error_errno(err, ENOMEM, "ask the API server");
	if (r < 0)
		return r;
	r = json_parse(strbuf_str(&response.body), response.body.len, "the API server's answer", ret, err);
	if (response.status < 300)
		return r;
	error_clear(err);
	message = json_get_string(*ret, "message");
	r = error_set(err, code_of(response.status), "the API server refuses %s %s: status %ld: %.500s", method, path,
		      response.status, message ? message : "");
	if (response.status == 401)
		kube_access_expire(&node->access);
	json_decref(*ret);
	*ret = NULL;
	return r;
}
