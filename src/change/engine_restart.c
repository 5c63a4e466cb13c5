#include "change/engine_restart.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>

#include "base/clock.h"
#include "sandbox/running.h"
#include "sys/pidfd.h"

#define ASK_AGAIN_MS 500
#define ENDS_ASKED   10

int engine_status(struct change_context *ctx, const struct cri_engine *engine, struct cri_status *ret,
		  struct error *err)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, engine->socket);

	return socket ? cri_status(socket, ret, err) : error_errno(err, ENOMEM, "ask '%s'", engine->socket);
}

static int ask_pods(struct change_context *ctx, const struct cri_engine *engine, struct cri_pods *ret, struct error *err)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, engine->socket);

	return socket ? cri_pods(socket, ret, err) : error_errno(err, ENOMEM, "ask '%s'", engine->socket);
}

int engine_pods(struct change_context *ctx, const struct cri_engine *engine, struct cri_pods *ret, struct error *err)
{
	int r = ask_pods(ctx, engine, ret, err);

	if (r != -ENOENT && r != -ECONNREFUSED)
		return r;
	error_clear(err);
	return 0;
}

/* The first processes of all running containers, by descriptors that never mean another one. */
struct watched {
	struct pollfd *fds;
	struct strv ids;
	size_t len;
};

static void watched_release(struct watched *watched)
{
	for (size_t i = 0; i < watched->len; i++)
		(void)close(watched->fds[i].fd);
	free(watched->fds);
	strv_release(&watched->ids);
}

static int watch(struct change_context *ctx, const struct cri_engine *engine, const char *socket, struct watched *ret,
		 struct error *err)
{
	_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
	int r = engine_pods(ctx, engine, &pods, err);

	if (r < 0)
		return r;
	ret->fds = calloc(pods.container_count + 1, sizeof(*ret->fds));
	if (!ret->fds)
		return error_errno(err, ENOMEM, "look at the pods");
	for (size_t i = 0; i < pods.container_count; i++) {
		pid_t pid = 0;
		int fd;

		if (!pods.containers[i].running || cri_container_pid(socket, pods.containers[i].id, &pid, NULL) < 0 ||
		    pid <= 0)
			continue;
		fd = pidfd_open_process(pid);
		if (fd < 0)
			continue;
		ret->fds[ret->len++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (strv_add(&ret->ids, pods.containers[i].id) < 0)
			return error_errno(err, ENOMEM, "look at the pods");
	}
	return 0;
}

/* An engine that is just up may learn of an end a moment later than we do. */
static bool was_killed(const char *socket, const char *id)
{
	static const struct timespec PAUSE = { .tv_nsec = (long)ASK_AGAIN_MS * 1000000 };

	for (unsigned i = 0; i < ENDS_ASKED; i++) {
		struct cri_exit end = { 0 };
		int r = cri_container_exit(socket, id, &end, NULL);

		/* Taken away meanwhile: its pod is deleted. */
		if (r == -ENOENT)
			return false;
		if (r == 0 && end.exited)
			return end.killed;
		(void)nanosleep(&PAUSE, NULL);
	}
	return true;
}

/*
 * How many the restart has ended. A Job's or an init container's end in those seconds is its own: the engine tells an exit
 * code of it. One that went down with the engine was killed, or its shim was, of which it knows no more. Where all of
 * several are gone no code is believed: a service that is told to stop may well say 0.
 */
static size_t ended(const struct watched *watched, const char *socket)
{
	size_t n = 0, killed = 0;

	if (!watched->len || poll(watched->fds, watched->len, 0) <= 0)
		return 0;
	for (size_t i = 0; i < watched->len; i++)
		n += (watched->fds[i].revents & POLLIN) != 0;
	if (n == watched->len && n > 1)
		return n;
	for (size_t i = 0; i < watched->len; i++)
		killed += (watched->fds[i].revents & POLLIN) != 0 && was_killed(socket, watched->ids.items[i]);
	return killed;
}

static int wait_until_it_answers(struct change_context *ctx, const struct cri_engine *engine, struct error *err)
{
	static const struct timespec PAUSE = { .tv_nsec = (long)ASK_AGAIN_MS * 1000000 };
	uint64_t until = monotonic_ms() + ctx->services_ms;

	progress_activity(ctx->progress, "waiting for the engine to answer");
	for (;;) {
		_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
		struct error why = ERROR_INIT;

		if (engine_status(ctx, engine, &status, &why) == 0)
			return 0;
		if (monotonic_ms() >= until)
			return error_set(err, ETIMEDOUT, "%s does not answer after its restart: %.700s", engine->unit,
					 why.message);
		(void)nanosleep(&PAUSE, NULL);
	}
}

int engine_restart(struct change_context *ctx, const struct cri_engine *engine, size_t *ret_pods, struct error *err)
{
	_cleanup_(watched_release) struct watched watched = { 0 };
	_cleanup_free_ char *socket = host_real_path(ctx->host, engine->socket);
	int r = socket ? watch(ctx, engine, socket, &watched, err) : error_errno(err, ENOMEM, "look at the pods");
	size_t gone;

	*ret_pods = watched.len;
	if (r == 0)
		r = context_reload(ctx, err);
	if (r == 0)
		r = systemd_verb_one(ctx->host, "restart", engine->unit, ctx->services_ms, err);
	context_changed(ctx);
	if (r == 0)
		r = wait_until_it_answers(ctx, engine, err);
	if (r < 0)
		return r;
	gone = ended(&watched, socket);
	return gone ? error_set(err, ECHILD, "%zu of %zu containers ended while %s was restarted", gone, watched.len,
				engine->unit) : 0;
}

int engine_bring(struct change_context *ctx, const struct cri_engine *engine, engine_has_fn has, const void *userdata,
		 ssize_t *ret_pods, struct error *err)
{
	size_t pods = 0;
	int r;

	*ret_pods = -1;
	if (has(ctx, userdata))
		return 0;
	progress_activityf(ctx->progress, "restarting %s", engine->unit);
	r = engine_restart(ctx, engine, &pods, err);
	*ret_pods = (ssize_t)pods;
	if (r == 0 && !has(ctx, userdata))
		r = error_set(err, EPROTO, "%s runs without its new settings after its restart", engine->unit);
	return r;
}

int engine_take_back(struct change_context *ctx, const struct cri_engine *engine, bool restarted, struct error *again,
		     struct error *err)
{
	int code = err->code;
	size_t pods;

	if (!again->code && restarted)
		(void)engine_restart(ctx, engine, &pods, again);
	if (again->code)
		return error_set(err, code, "%.400s; and taking it back failed as well: %.400s", err->message,
				 again->message);
	return error_set(err, code, "%.800s; taken back, %s %s", err->message, engine->unit,
			 restarted ? "runs as before" : "was not touched");
}

bool engine_tells_of(struct change_context *ctx, const struct cri_engine *engine, const char *handler)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;

	return engine_status(ctx, engine, &status, NULL) == 0 && cri_handler_find(&status, handler);
}

int engine_clear(struct change_context *ctx, const struct cri_engine *engine, struct error *err)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, engine->socket);
	_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
	int r = socket ? engine_pods(ctx, engine, &pods, err) : error_errno(err, ENOMEM, "look at the pods");
	int first = r;

	for (size_t i = 0; r == 0 && i < pods.len; i++) {
		const struct cri_pod *pod = &pods.items[i];
		struct error why = ERROR_INIT;
		int one;

		progress_activityf(ctx->progress, "ending pod %s/%s", pod->namespace, pod->name);
		one = cri_pod_remove(socket, pod->id, &why);
		if (one < 0 && first == 0)
			first = error_set(err, -one, "end the pod %s/%s on %s: %.700s", pod->namespace, pod->name, engine->unit,
					  why.message);
	}
	return first;
}

int engine_pods_of(struct change_context *ctx, const struct cri_engine *engine, const char *handler, size_t *ret,
		   struct error *err)
{
	_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
	int r = ask_pods(ctx, engine, &pods, err);

	*ret = 0;
	for (size_t i = 0; r == 0 && i < pods.len; i++)
		*ret += pods.items[i].ready && strcmp(pods.items[i].handler, handler) == 0;
	return r;
}

/* By what is noted of them, as nobody else tells. */
static int check_records(struct change_context *ctx, const struct cri_engine *engine, struct error *err)
{
	_cleanup_fd_ int pool = host_open(ctx->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	_cleanup_(strv_release) struct strv pods = STRV_INIT;
	int r = pool < 0 ? 0 : running_pods(pool, &pods, err);

	return r == 0 && pods.len ? error_set(err, EBUSY, "%s is not there, and %zu pods may run that it had started, %s one of "
					      "them: start it, and drain the node (kubectl drain)", engine->unit, pods.len,
					      pods.items[0]) : r;
}

int engine_check_unused(struct change_context *ctx, const struct cri_engine *engine, const char *handler,
			struct error *err)
{
	size_t pods = 0;
	int r = engine_pods_of(ctx, engine, handler, &pods, err);

	if (r == -ENOENT || r == -ECONNREFUSED) {
		error_clear(err);
		return check_records(ctx, engine, err);
	}
	if (r < 0)
		return error_context(err, "whether pods run by the handler '%s'", handler);
	return pods ? error_set(err, EBUSY, "%zu pods run by the handler '%s': drain the node first (kubectl drain)", pods,
				handler) : 0;
}

int engine_may_undo(struct change_context *ctx, const struct change_record *record, struct error *err)
{
	const json_t *want = record->want;
	const struct cri_engine engine = { json_get_string(want, "unit"), json_get_string(want, "socket") };

	return engine_check_unused(ctx, &engine, json_get_string(want, "handler"), err);
}
