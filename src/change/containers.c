#include "change/containers.h"

#include "change/docker_ready.h"
#include "engine/docker_container.h"
#include "engine/docker_stop.h"

#define NOTE STATE_DIR "/containers.json"

static json_t *read_note(const struct host *host)
{
	_cleanup_free_ char *text = NULL;
	json_t *ids = NULL;
	size_t len;

	if (host_read(host, NOTE, FILE_CAP_DEFAULT, &text, &len) == 0 &&
	    json_parse(text, len, NOTE, &ids, NULL) == 0 && json_is_array(ids))
		return ids;
	json_decref(ids);
	return json_array();
}

static int write_note(const struct host *host, const json_t *ids, struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0600 };
	_cleanup_free_ char *text = json_line(ids);

	return text ? host_write(host, NOTE, text, strlen(text), &ATTRS, err) :
		      error_errno(err, ENOMEM, "note the running containers");
}

int containers_note(struct change_context *ctx, struct error *err)
{
	_cleanup_(docker_containers_release) struct docker_containers list = DOCKER_CONTAINERS_INIT;
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_json_ json_t *ids = read_note(ctx->host);
	struct error quiet = ERROR_INIT;

	/* Nobody to ask: nothing runs that we could stop in order. */
	if (docker_open(ctx->host, &docker, &quiet) < 0)
		return 0;
	if (docker_list(&docker, 0, 20000, &list, &quiet) < 0)
		return quiet.code == ENOENT || quiet.code == ECONNREFUSED ? 0 :
			error_set(err, quiet.code, "Docker does not say which containers run, so it is not stopped: %.600s", quiet.message);
	for (size_t i = 0; i < list.len; i++) {
		if (!json_has_string(ids, list.items[i].id))
			(void)json_array_append_new(ids, json_string(list.items[i].id));
	}
	return json_array_size(ids) ? write_note(ctx->host, ids, err) : 0;
}

static int to_strv(const json_t *ids, struct strv *ret)
{
	const json_t *value;
	size_t i;
	int r = 0;

	json_array_foreach(ids, i, value) {
		if (r == 0 && json_is_string(value))
			r = strv_add(ret, json_string_value(value));
	}
	return r;
}

int containers_stop(struct change_context *ctx, struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	_cleanup_json_ json_t *noted = read_note(ctx->host);
	struct error quiet = ERROR_INIT;

	if (!json_array_size(noted) || docker_open(ctx->host, &docker, &quiet) < 0)
		return 0;
	if (to_strv(noted, &ids) < 0)
		return error_errno(err, ENOMEM, "stop the containers");
	return docker_stop_all(&docker, &ids, ctx->progress, err);
}

/* Does it belong to a runtime that this dockerd does not have? */
static bool runtime_is_gone(const struct docker *docker, const char *id)
{
	_cleanup_free_ char *runtime = NULL;
	_cleanup_json_ json_t *info = NULL;
	struct error quiet = ERROR_INIT;

	return docker_container_runtime(docker, id, 0, &runtime, &quiet) == 0 && runtime[0] &&
	       docker_info(docker, 0, &info, &quiet) == 0 &&
	       !json_object_get(json_object_get(info, "Runtimes"), runtime);
}

static int start_one(struct change_context *ctx, const struct docker *docker, const char *id,
		     struct error *err)
{
	int r;

	progress_activityf(ctx->progress, "starting container %.12s again", id);
	r = docker_container_start(docker, id, 60000, err);
	/* Run with --rm: gone when it stopped. */
	if (r == -ENOENT || (r < 0 && runtime_is_gone(docker, id))) {
		error_clear(err);
		return 0;
	}
	return r < 0 ? error_context(err, "start container %.12s, which ran before, again", id) : 0;
}

int containers_resume(struct change_context *ctx, struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_json_ json_t *ids = read_note(ctx->host);
	int r, first = 0;

	if (!json_array_size(ids))
		return 0;
	r = docker_ready_wait(ctx, err);
	if (r == 0)
		r = docker_open(ctx->host, &docker, err);
	if (r < 0)
		return r;
	/*
	 * One that does not start keeps none of the others down, and each is tried once: by the next run somebody may have
	 * stopped it himself. What a cut leaves to do is still noted.
	 */
	while (json_array_size(ids)) {
		const char *id = json_string_value(json_array_get(ids, 0));
		struct error why = ERROR_INIT;

		if (id && start_one(ctx, &docker, id, &why) < 0 && first == 0)
			first = error_set(err, why.code, "%s", why.message);
		(void)json_array_remove(ids, 0);
		r = json_array_size(ids) ? write_note(ctx->host, ids, first < 0 ? NULL : err) :
					   host_remove(ctx->host, NOTE, first < 0 ? NULL : err);
		if (r < 0)
			return first < 0 ? first : r;
	}
	return first;
}
