#include "engine/docker_container.h"

#include "engine/docker_call.h"
#include "engine/docker_logs.h"

int docker_container_create(const struct docker *docker, const char *name, const json_t *config,
			    uint64_t timeout_ms, char **ret_id, struct error *err)
{
	_cleanup_free_ char *body = json_line(config);
	_cleanup_free_ char *url =
		xasprintf("/containers/create%s%s", name ? "?name=" : "", name ? name : "");
	_cleanup_json_ json_t *answer = NULL;
	struct http_request request = {
		.method = "POST",
		.url = url,
		.content_type = "application/json",
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout_ms = timeout_ms,
	};
	const char *id;
	int r = name ? docker_check_container(name, err) : 0;

	if (r < 0)
		return r;
	if (!body || !url)
		return error_errno(err, ENOMEM, "create a container");
	r = docker_ask_json(docker, &request, JSON_OBJECT, &answer, err);
	if (r < 0)
		return error_context(err, "create a container");
	id = json_get_string(answer, "Id");
	if (!id || docker_check_container(id, NULL) < 0)
		return error_set(err, EPROTO, "docker created a container but did not tell its id");
	*ret_id = strdup(id);
	return *ret_id ? 0 : error_errno(err, ENOMEM, "create a container");
}

int docker_container_look(const struct docker *docker, const char *id, uint64_t timeout_ms,
			  json_t **ret, struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s/json", id);
	const struct http_request request = { .url = url, .timeout_ms = timeout_ms };
	int r = docker_check_container(id, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "look at container %.12s", id);
	r = docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
	return r < 0 ? error_context(err, "look at container %.12s", id) : 0;
}

int docker_container_runtime(const struct docker *docker, const char *id, uint64_t timeout_ms,
			     char **ret, struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *runtime;
	int r = docker_container_look(docker, id, timeout_ms, &answer, err);

	if (r < 0)
		return r;
	runtime = json_get_string(json_object_get(answer, "HostConfig"), "Runtime");
	*ret = strdup(runtime ? runtime : "");
	return *ret ? 0 : error_errno(err, ENOMEM, "look at container %.12s", id);
}

int docker_container_start(const struct docker *docker, const char *id, uint64_t timeout_ms,
			   struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s/start", id);
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	int r = docker_check_container(id, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "start container %.12s", id);
	r = docker_ask_plain(docker, &request, false, err);
	return r < 0 ? error_context(err, "start container %.12s", id) : 0;
}

int docker_container_wait(const struct docker *docker, const char *id, uint64_t timeout_ms,
			  int64_t *ret_status, struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s/wait", id);
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	_cleanup_json_ json_t *answer = NULL;
	const char *message;
	int r = docker_check_container(id, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "wait for container %.12s", id);
	r = docker_ask_json(docker, &request, JSON_OBJECT, &answer, err);
	if (r == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT, "container %.12s has not ended in %" PRIu64 " s",
				 id,
				 ((timeout_ms ? timeout_ms : DOCKER_TIMEOUT_DEFAULT) + 999) / 1000);
	if (r < 0)
		return error_context(err, "wait for container %.12s", id);
	message = json_get_string(json_object_get(answer, "Error"), "Message");
	if (message && message[0])
		return error_set(err, EIO, "wait for container %.12s: docker: %s", id, message);
	if (!json_is_integer(json_object_get(answer, "StatusCode")))
		return error_set(err, EPROTO, "docker did not tell how container %.12s ended", id);
	*ret_status = json_get_int(answer, "StatusCode", -1);
	return 0;
}

static int feed_logs(void *userdata, const struct http_response *so_far, const void *data,
		     size_t len)
{
	struct docker_demux *demux = userdata;
	/* Said from API 1.42 on; before, our containers, which have no terminal, have frames. */
	const char *type = http_header(so_far, "Content-Type");

	demux->raw = type && strcmp(type, "application/vnd.docker.raw-stream") == 0;
	return docker_demux_feed(demux, data, len);
}

int docker_container_logs(const struct docker *docker, const char *id, size_t cap,
			  uint64_t timeout_ms, struct strbuf *out, struct strbuf *err_out,
			  struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s/logs?stdout=1&stderr=1", id);
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	_cleanup_(docker_demux_release) struct docker_demux demux = {
		.out = out,
		.err_out = err_out,
		.cap = cap,
	};
	const struct http_request request = {
		.url = url,
		.timeout_ms = timeout_ms,
		.sink = feed_logs,
		.sink_data = &demux,
	};
	int r = docker_check_container(id, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "read the output of container %.12s", id);
	r = docker_ask(docker->socket, &request, &response, err);
	if (r < 0)
		return error_context(err, "read the output of container %.12s", id);
	r = docker_demux_end(&demux);
	if (r == -EIO)
		return error_set(err, EIO, "read the output of container %.12s: docker: %s", id,
				 strbuf_str(&demux.trouble));
	return r < 0 ? error_errno(err, r, "read the output of container %.12s", id) : 0;
}

int docker_container_remove(const struct docker *docker, const char *id, uint64_t timeout_ms,
			    struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s?force=1&v=1", id);
	const struct http_request request = {
		.method = "DELETE",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	int r = docker_check_container(id, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "remove container %.12s", id);
	r = docker_ask_plain(docker, &request, true, err);
	return r < 0 ? error_context(err, "remove container %.12s", id) : 0;
}
