#include "engine/docker.h"

#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "engine/docker_call.h"
#include "engine/docker_container.h"

#define PING_MS		5000 /* one try while waiting for it to be ready */
#define POLL_FIRST_MS	50
#define POLL_LONGEST_MS 1000

int docker_open(const struct host *host, struct docker *ret, struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	struct stat st;
	int r = host_stat(host, DOCKER_SOCKET, &st, true);

	if (r == -ENOENT)
		return error_set(err, ENOENT, "docker is not running (there is no '%s')",
				 DOCKER_SOCKET);
	if (r < 0)
		return error_errno(err, r, "look at '%s'", DOCKER_SOCKET);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ENOTSOCK, "'%s' is not a socket", DOCKER_SOCKET);
	docker.socket = host_real_path(host, DOCKER_SOCKET);
	if (!docker.socket)
		return error_errno(err, ENOMEM, "open '%s'", DOCKER_SOCKET);
	if (strlen(docker.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(err, ENAMETOOLONG, "the path '%s' is too long for a socket",
				 docker.socket);
	ret->socket = TAKE_PTR(docker.socket);
	return 0;
}

void docker_release(struct docker *docker)
{
	free(docker->socket);
	*docker = DOCKER_INIT;
}

static int ping(const char *socket, uint64_t timeout_ms, struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	const struct http_request request = {
		.url = "/_ping",
		.timeout_ms = timeout_ms,
		.body_cap = 4096,
	};
	int r = docker_ask(socket, &request, &response, err);

	if (r < 0)
		return r;
	if (response.status != 200 || strncmp(strbuf_str(&response.body), "OK", 2) != 0)
		return error_set(err, EPROTO, "what listens at '%s' is not docker", socket);
	return 0;
}

int docker_ping(const struct docker *docker, uint64_t timeout_ms, struct error *err)
{
	return ping(docker->socket, timeout_ms, err);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* A try cut off by the end of all waiting says less than the one before: keep that one's reason. */
static int ping_while_waiting(const char *socket, uint64_t left, struct error *last)
{
	struct error why = ERROR_INIT;
	int r = ping(socket, MIN_OF(left, (uint64_t)PING_MS), &why);

	if (r < 0 && (r != -ETIMEDOUT || left >= PING_MS || !last->code))
		*last = why;
	return r;
}

int docker_wait_ready(const char *socket, uint64_t timeout_ms, docker_coming_fn coming, void *userdata,
		      const struct progress *progress, struct error *err)
{
	uint64_t begin = monotonic_ms(), pause = POLL_FIRST_MS;
	struct error last = ERROR_INIT;

	for (;;) {
		uint64_t passed = monotonic_ms() - begin;
		uint64_t left = timeout_ms - MIN_OF(passed, timeout_ms);

		if (left == 0)
			break;
		if (ping_while_waiting(socket, left, &last) == 0)
			return 0;
		if (coming && !coming(userdata))
			return error_set(err, ENOTCONN, "docker does not run, and is not on its way up: %s",
					 last.message);
		progress_activityf(progress, "waiting for docker to answer (%" PRIu64 " s)",
				   passed / 1000);
		passed = monotonic_ms() - begin;
		left = timeout_ms - MIN_OF(passed, timeout_ms);
		sleep_ms(MIN_OF(left, pause));
		pause = MIN_OF(pause * 2, (uint64_t)POLL_LONGEST_MS);
	}
	return error_set(err, ETIMEDOUT, "docker did not answer in %" PRIu64 " s: %s",
			 (timeout_ms + 999) / 1000, last.code ? last.message : "no time to ask");
}

int docker_version(const struct docker *docker, uint64_t timeout_ms, json_t **ret,
		   struct error *err)
{
	const struct http_request request = { .url = "/version", .timeout_ms = timeout_ms };

	return docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
}

int docker_info(const struct docker *docker, uint64_t timeout_ms, json_t **ret, struct error *err)
{
	const struct http_request request = { .url = "/info", .timeout_ms = timeout_ms };

	return docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
}

static void container_release(struct docker_container *c)
{
	free(c->id);
	strv_release(&c->names);
	free(c->image);
	free(c->state);
	free(c->runtime);
	json_decref(c->labels);
	*c = (struct docker_container){ 0 };
}

void docker_containers_release(struct docker_containers *list)
{
	for (size_t i = 0; i < list->len; i++)
		container_release(&list->items[i]);
	free(list->items);
	*list = DOCKER_CONTAINERS_INIT;
}

static char *copy_string(const json_t *object, const char *key)
{
	const char *s = json_get_string(object, key);

	return strdup(s ? s : "");
}

static int read_container(const json_t *object, struct docker_container *ret)
{
	const json_t *names = json_object_get(object, "Names");
	const json_t *labels = json_object_get(object, "Labels");
	const json_t *name;
	size_t i;

	ret->id = copy_string(object, "Id");
	ret->image = copy_string(object, "Image");
	ret->state = copy_string(object, "State");
	ret->labels = json_is_object(labels) ? json_deep_copy(labels) : json_object();
	if (!ret->id || !ret->image || !ret->state || !ret->labels)
		return -ENOMEM;
	json_array_foreach (names, i, name) {
		const char *s = json_string_value(name);

		if (s && strv_add(&ret->names, s + (s[0] == '/')) < 0)
			return -ENOMEM;
	}
	return ret->id[0] ? 0 : -EPROTO;
}

/* Fill in the runtimes and drop those that have gone meanwhile. */
static int add_runtimes(const struct docker *docker, uint64_t until, struct docker_containers *list,
			struct error *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->len; i++) {
		struct docker_container *c = &list->items[i];
		uint64_t now = monotonic_ms();
		int r;

		if (now >= until)
			return error_set(err, ETIMEDOUT,
					 "docker took too long to tell its containers' runtimes");
		r = docker_container_runtime(docker, c->id, until - now, &c->runtime, err);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == -ENOENT) {
			error_clear(err);
			container_release(c);
		} else if (kept++ != i) {
			list->items[kept - 1] = *c;
			*c = (struct docker_container){ 0 };
		}
	}
	list->len = kept;
	return 0;
}

int docker_list(const struct docker *docker, unsigned flags, uint64_t timeout_ms,
		struct docker_containers *ret, struct error *err)
{
	_cleanup_(docker_containers_release) struct docker_containers list = DOCKER_CONTAINERS_INIT;
	uint64_t until = monotonic_ms() + (timeout_ms ? timeout_ms : DOCKER_TIMEOUT_DEFAULT);
	const struct http_request request = {
		.url = flags & DOCKER_LIST_ALL ? "/containers/json?all=1" : "/containers/json",
		.timeout_ms = timeout_ms,
	};
	_cleanup_json_ json_t *answer = NULL;
	const json_t *object;
	size_t i;
	int r = docker_ask_json(docker, &request, JSON_ARRAY, &answer, err);

	if (r < 0)
		return error_context(err, "list docker's containers");
	list.items = calloc(json_array_size(answer) + 1, sizeof(*list.items));
	if (!list.items)
		return error_errno(err, ENOMEM, "list docker's containers");
	json_array_foreach (answer, i, object) {
		r = read_container(object, &list.items[list.len++]);
		if (r < 0)
			return error_errno(err, r, "read docker's list of containers");
	}
	if (flags & DOCKER_LIST_RUNTIME) {
		r = add_runtimes(docker, until, &list, err);
		if (r < 0)
			return r;
	}
	*ret = list;
	list = DOCKER_CONTAINERS_INIT;
	return 0;
}

int docker_list_json(const struct docker *docker, uint64_t timeout_ms, json_t **ret,
		     struct error *err)
{
	const struct http_request request = {
		.url = "/containers/json?all=1",
		.timeout_ms = timeout_ms,
	};
	int r = docker_ask_json(docker, &request, JSON_ARRAY, ret, err);

	return r < 0 ? error_context(err, "list docker's containers") : 0;
}
