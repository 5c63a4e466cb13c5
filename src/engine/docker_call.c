#include "engine/docker_call.h"

#define JSON_CAP	((size_t)16 << 20)
#define NAME_LONGEST	512

#define CONTAINER_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define IMAGE_CHARS	CONTAINER_CHARS "/:@"

static int check_name(const char *what, const char *name, const char *chars, struct error *err)
{
	size_t n = strspn(name, chars);

	if (n == 0 || n > NAME_LONGEST || name[n] || strchr("./-:@", name[0]) || strstr(name, ".."))
		return error_set(err, EINVAL, "'%s' cannot be the name of %s", name, what);
	return 0;
}

int docker_check_container(const char *id, struct error *err)
{
	return check_name("a container", id, CONTAINER_CHARS, err);
}

int docker_check_image(const char *ref, struct error *err)
{
	return check_name("an image", ref, IMAGE_CHARS, err);
}

static int status_code(long status, const char *message)
{
	if (status == 404)
		return ENOENT;
	if (status == 409)
		return strstr(message, "already in use by") ? EEXIST : EBUSY;
	return status >= 500 ? EIO : EINVAL;
}

/* {"message": "..."}; other text (a proxy's, a crash's) by its first line. */
static int refused(const struct http_request *request, const struct http_response *response,
		   struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *body = strbuf_str(&response->body);
	const char *message = NULL;

	(void)json_parse(body, response->body.len, "an answer", &answer, NULL);
	message = json_get_string(answer, "message");
	if (message)
		return error_set(err, status_code(response->status, message), "docker: %s",
				 message);
	return error_set(err, status_code(response->status, ""),
			 "docker answered %s %s with status %ld: %.*s",
			 request->method ? request->method : "GET", request->url, response->status,
			 (int)MIN_OF(strcspn(body, "\r\n"), (size_t)200), body);
}

/* One request; any status from 400 on is an error. `request` has all but the socket and defaults.
 */
int docker_ask(const char *socket, const struct http_request *request, struct http_response *ret,
	       struct error *err)
{
	struct http_request mine = *request;
	int r;

	mine.socket_path = socket;
	mine.timeout_ms = request->timeout_ms ? request->timeout_ms : DOCKER_TIMEOUT_DEFAULT;
	mine.body_cap = request->body_cap ? request->body_cap : JSON_CAP;
	r = http_request(&mine, ret, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "docker is not running (there is no '%s')", socket);
	if (r == -ECONNREFUSED)
		return error_set(err, ECONNREFUSED,
				 "docker is not running (nobody listens at '%s')", socket);
	if (r < 0)
		return r;
	return ret->status >= 400 ? refused(request, ret, err) : 0;
}

/* The answer must be a JSON value of the type wanted. */
int docker_ask_json(const struct docker *docker, const struct http_request *request, json_type type,
		    json_t **ret, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	_cleanup_json_ json_t *answer = NULL;
	int r = docker_ask(docker->socket, request, &response, err);

	if (r < 0)
		return r;
	/* A tenant may put a NUL into a label: that must not make the whole list unreadable. */
	answer = json_loadb(strbuf_str(&response.body), response.body.len,
			    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!answer)
		return error_set(err, EPROTO, "docker's answer to %s is not JSON", request->url);
	if (json_typeof(answer) != type)
		return error_set(err, EPROTO, "docker's answer to %s is not of the expected form",
				 request->url);
	*ret = TAKE_PTR(answer);
	return 0;
}

/* Only the status counts. `absent_fine`: 404 is no error. */
int docker_ask_plain(const struct docker *docker, const struct http_request *request,
		     bool absent_fine, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	int r = docker_ask(docker->socket, request, &response, err);

	if (r == -ENOENT && absent_fine && response.status == 404) {
		error_clear(err);
		return 0;
	}
	return r;
}
