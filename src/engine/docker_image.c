#include "engine/docker_image.h"

#include "engine/docker_call.h"

#define REPORT_CAP ((size_t)1 << 20)

/* {"errorDetail": {"message": ...}, "error": ...}: one object of the stream that may say it failed.
 */
static int check_report(const json_t *object, struct error *err)
{
	const char *message = json_get_string(json_object_get(object, "errorDetail"), "message");

	if (!message)
		message = json_get_string(object, "error");
	return message ? error_set(err, EIO, "docker: %s", message) : 0;
}

/* A stream of JSON objects behind a status of 200, in which failures are reported all the same. */
static int check_reports(const struct strbuf *body, struct error *err)
{
	const char *text = strbuf_str(body);
	size_t len = body->len;

	for (;;) {
		size_t blank = strspn(text, " \t\r\n");
		_cleanup_json_ json_t *object = NULL;
		json_error_t why;
		int r;

		text += blank;
		len -= blank;
		if (len == 0)
			return 0;
		object = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, &why);
		if (!object)
			return error_set(err, EPROTO, "docker's report on the image is not JSON");
		r = check_report(object, err);
		if (r < 0)
			return r;
		text += why.position;
		len -= (size_t)why.position;
	}
}

static int load(const struct docker *docker, const struct http_request *request, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	int r = docker_ask(docker->socket, request, &response, err);

	if (r == 0)
		r = check_reports(&response.body, err);
	return r < 0 ? error_context(err, "load an image") : 0;
}

int docker_image_load(const struct docker *docker, const void *tar, size_t len, uint64_t timeout_ms,
		      struct error *err)
{
	const struct http_request request = {
		.method = "POST",
		.url = "/images/load?quiet=1",
		.content_type = "application/x-tar",
		.body = tar,
		.body_len = len,
		.timeout_ms = timeout_ms,
		.body_cap = REPORT_CAP,
	};

	return load(docker, &request, err);
}

int docker_image_load_from(const struct docker *docker, http_source_fn source, void *source_data,
			   uint64_t timeout_ms, struct error *err)
{
	const struct http_request request = {
		.method = "POST",
		.url = "/images/load?quiet=1",
		.content_type = "application/x-tar",
		.source = source,
		.source_data = source_data,
		.source_len = HTTP_LENGTH_UNKNOWN,
		.timeout_ms = timeout_ms,
		.body_cap = REPORT_CAP,
	};

	return load(docker, &request, err);
}

/* `absent`: that it is gone already is as good. */
static int remove_image(const struct docker *docker, const char *ref, const char *query, bool absent,
			uint64_t timeout_ms, struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/images/%s%s", ref, query);
	const struct http_request request = {
		.method = "DELETE",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	int r = docker_check_image(ref, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "remove the image '%s'", ref);
	r = docker_ask_plain(docker, &request, absent, err);
	return r < 0 ? error_context(err, "remove the image '%s'", ref) : 0;
}

int docker_image_remove(const struct docker *docker, const char *ref, bool force,
			uint64_t timeout_ms, struct error *err)
{
	return remove_image(docker, ref, force ? "?force=1" : "", true, timeout_ms, err);
}

int docker_images(const struct docker *docker, uint64_t timeout_ms, json_t **ret, struct error *err)
{
	const struct http_request request = {
		.url = "/images/json?all=1",
		.timeout_ms = timeout_ms,
	};
	int r = docker_ask_json(docker, &request, JSON_ARRAY, ret, err);

	return r < 0 ? error_context(err, "list docker's images") : 0;
}

int docker_image_inspect(const struct docker *docker, const char *ref, uint64_t timeout_ms,
			 json_t **ret, struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/images/%s/json", ref);
	const struct http_request request = { .url = url, .timeout_ms = timeout_ms };
	int r = docker_check_image(ref, err);

	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "look at the image '%s'", ref);
	r = docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
	return r < 0 ? error_context(err, "look at the image '%s'", ref) : 0;
}

int docker_image_delete(const struct docker *docker, const char *ref, bool parents,
			uint64_t timeout_ms, struct error *err)
{
	return remove_image(docker, ref, parents ? "?force=0&noprune=0" : "?force=0&noprune=1", false,
			    timeout_ms, err);
}

int docker_image_tag(const struct docker *docker, const char *ref, const char *tag,
		     uint64_t timeout_ms, struct error *err)
{
	const char *slash = strrchr(tag, '/');
	const char *colon = strchr(slash ? slash : tag, ':');
	_cleanup_free_ char *url = xasprintf("/images/%s/tag?repo=%.*s&tag=%s", ref,
					     (int)(colon ? (size_t)(colon - tag) : strlen(tag)),
					     tag, colon ? colon + 1 : "");
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	int r = docker_check_image(ref, err);

	if (r == 0)
		r = docker_check_image(tag, err);
	if (r < 0)
		return r;
	if (!url)
		return error_errno(err, ENOMEM, "tag the image '%s'", ref);
	r = docker_ask_plain(docker, &request, false, err);
	return r < 0 ? error_context(err, "tag the image '%s' as '%s'", ref, tag) : 0;
}
