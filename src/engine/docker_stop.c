#include "engine/docker_stop.h"

#include "base/clock.h"
#include "engine/docker_call.h"
#include "engine/docker_container.h"

#define STOP_SECONDS   10    /* Docker's own default */
#define STOP_LONGEST   300   /* seconds; a tenant may have asked for a year */
#define ANSWER_MS      60000 /* for a signal, and for a kill */
#define SIGNAL_DEFAULT "SIGTERM"

static int post(const struct docker *docker, const char *id, const char *what, const char *query,
		struct error *err)
{
	_cleanup_free_ char *url = xasprintf("/containers/%s/%s?%s", id, what, query);
	const struct http_request request = { .method = "POST", .url = url, .timeout_ms = ANSWER_MS };
	int r;

	if (!url)
		return error_errno(err, ENOMEM, "stop container %.12s", id);
	r = docker_ask_plain(docker, &request, true, err);
	if (r != -EBUSY) /* 409: it does not run */
		return r;
	error_clear(err);
	return 0;
}

/* "SIGRTMIN+3" as a query has it; the default for what is no signal's name. NULL without memory. */
static char *signal_query(const char *name)
{
	const char *plus;

	if (!name || !*name || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-")])
		name = SIGNAL_DEFAULT;
	plus = strchrnul(name, '+');
	return xasprintf("signal=%.*s%s%s", (int)(plus - name), name, *plus ? "%2B" : "",
			 *plus ? plus + 1 : "");
}

/* Send the container its own stop signal; ret_until: when its time is over, on monotonic_ms(). */
static int signal_one(const struct docker *docker, const char *id, uint64_t *ret_until,
		      struct error *err)
{
	_cleanup_free_ char *query = NULL;
	_cleanup_json_ json_t *answer = NULL;
	const json_t *config;
	int64_t seconds;
	int r = docker_container_look(docker, id, ANSWER_MS, &answer, err);

	*ret_until = monotonic_ms();
	if (r == -ENOENT) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	config = json_object_get(answer, "Config");
	seconds = json_get_int(config, "StopTimeout", STOP_SECONDS);
	seconds = seconds < 0 || seconds > STOP_LONGEST ? STOP_LONGEST : seconds;
	query = signal_query(json_get_string(config, "StopSignal"));
	*ret_until += (uint64_t)seconds * 1000;
	return query ? post(docker, id, "kill", query, err) :
		       error_errno(err, ENOMEM, "stop container %.12s", id);
}

/* It has its signal: wait for its end, and make one. */
static int end_one(const struct docker *docker, const char *id, uint64_t until, struct error *err)
{
	uint64_t now = monotonic_ms();
	int64_t status;
	int r = docker_container_wait(docker, id, until > now ? until - now : 1, &status, err);

	if (r == 0)
		return 0;
	error_clear(err);
	return r == -ENOENT ? 0 : post(docker, id, "stop", "t=0", err);
}

int docker_stop_all(const struct docker *docker, const struct strv *ids,
		    const struct progress *progress, struct error *err)
{
	_cleanup_free_ uint64_t *until = calloc(ids->len + 1, sizeof(*until));
	int first = 0;

	if (!until)
		return error_errno(err, ENOMEM, "stop the containers");
	progress_activityf(progress, "stopping %zu containers", ids->len);
	for (size_t i = 0; i < ids->len; i++) {
		struct error why = ERROR_INIT;

		/* One that cannot be signalled is killed at once below. */
		(void)signal_one(docker, ids->items[i], &until[i], &why);
	}
	for (size_t i = 0; i < ids->len; i++) {
		struct error why = ERROR_INIT;
		int r = docker_check_container(ids->items[i], &why);

		if (r == 0)
			r = end_one(docker, ids->items[i], until[i], &why);
		if (r < 0 && first == 0)
			first = error_set(err, why.code, "stop container %.12s: %s", ids->items[i],
					  why.message);
	}
	return first;
}
