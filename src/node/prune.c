#include "node/prune.h"

#include <time.h>

#include "engine/docker_image.h"
#include "engine/docker_usage.h"

#define ASK_MS	  60000
#define REMOVE_MS 600000 /* many layers on a slow disk */
#define USAGE_MS  600000 /* an old Docker adds up all volumes */
#define NOTES_CAP ((size_t)16 << 20)

#define EARLIEST  INT64_C(1577836800) /* 2020: before, no clock is right, and no age */

void prune_result_release(struct prune_result *result)
{
	prune_images_release(&result->images);
	prune_cache_release(&result->cache);
	*result = PRUNE_RESULT_INIT;
}

/* Asking the socket of a stopped Docker would start it. */
static int open_docker(struct node *node, struct docker *ret, struct error *err)
{
	const struct unit_state *unit;
	int r = context_unit(&node->ctx.change, "docker.service", &unit, err);

	if (r < 0)
		return r;
	if (!unit_is_active(unit))
		return error_set(err, ENOTCONN,
				 "docker is not running (docker.service is %s), and nothing was "
				 "removed: start it with systemctl start docker",
				 unit->active ? unit->active : "unknown");
	return docker_open(&node->host, ret, err);
}

/* ---- notes ---- */

/* Without any that can be read, images count as unused from now on. */
static json_t *read_notes(const struct host *host)
{
	_cleanup_free_ char *text = NULL;
	json_t *notes = NULL;
	size_t len = 0;

	if (host_read(host, PRUNE_NOTES, NOTES_CAP, &text, &len) == 0)
		(void)json_parse(text, len, "notes", &notes, NULL);
	return notes;
}

static int write_notes(struct node *node, const struct prune_images *images, const json_t *notes,
		       int64_t now, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0600 };
	_cleanup_json_ json_t *value = prune_images_note(images, notes, now);
	_cleanup_free_ char *line = value ? json_line(value) : NULL;
	int r;

	if (!line)
		return error_errno(err, ENOMEM, "note which images are unused");
	if (json_object_size(value) == 0 && !notes)
		return 0;
	r = host_mkdirs(&node->host, CACHE_DIR, 0700, NULL, err);
	return r < 0 ? r : host_write(&node->host, PRUNE_NOTES, line, strlen(line), &attrs, err);
}

/* ---- images ---- */

static int date_images(const struct docker *docker, struct prune_images *images,
		       const json_t *notes, int64_t now, struct error *err)
{
	for (size_t i = 0; i < images->len; i++) {
		struct prune_image *image = &images->items[i];
		_cleanup_json_ json_t *inspected = NULL;
		int r;

		if (image->verdict != PRUNE_UNDATED)
			continue;
		r = docker_image_inspect(docker, image->id, ASK_MS, &inspected, err);
		if (r < 0 && r != -ENOENT)
			return r;
		error_clear(err);
		prune_image_date(image, inspected, notes, now);
	}
	return 0;
}

static int look_at_images(const struct docker *docker, const json_t *notes, int64_t now,
			  uint64_t older_than_ms, struct prune_images *ret, struct error *err)
{
	_cleanup_(prune_images_release) struct prune_images found = PRUNE_IMAGES_INIT;
	_cleanup_json_ json_t *images = NULL;
	_cleanup_json_ json_t *containers = NULL;
	/* Containers last: one made meanwhile is among them, with an image of the list. */
	int r = docker_images(docker, ASK_MS, &images, err);

	if (r == 0)
		r = docker_list_json(docker, ASK_MS, &containers, err);
	if (r == 0)
		r = prune_images_read(images, containers, &found, err);
	if (r == 0)
		r = date_images(docker, &found, notes, now, err);
	if (r < 0)
		return r;
	prune_images_decide(&found, now, older_than_ms);
	*ret = found;
	found = PRUNE_IMAGES_INIT;
	return 0;
}

/* Tags that went before Docker found the image in use. Best effort: the last one it has kept. */
static void put_back(const struct docker *docker, const struct prune_image *image, size_t gone)
{
	struct error ignored = ERROR_INIT;

	for (size_t i = 0; i < gone; i++) {
		if (!strchr(image->refs.items[i], '@'))
			(void)docker_image_tag(docker, image->id, image->refs.items[i], ASK_MS,
					       &ignored);
	}
}

static int remove_refs(const struct docker *docker, const struct prune_image *image,
		       struct error *err)
{
	int r = 0;

	if (!image->refs.len)
		return docker_image_delete(docker, image->id, !image->alone, REMOVE_MS, err);
	for (size_t i = 0; r == 0 && i < image->refs.len; i++) {
		r = docker_image_delete(docker, image->refs.items[i], !image->alone, REMOVE_MS,
					err);
		if (r < 0 && r != -ENOENT)
			put_back(docker, image, i);
	}
	return r;
}

static int remove_image(const struct docker *docker, struct prune_image *image, struct error *err)
{
	int r = remove_refs(docker, image, err);

	if (r == 0) {
		image->outcome = PRUNE_REMOVED;
		return 0;
	}
	/* Docker went away: the others would say the same. */
	if (r != -EBUSY && r != -ENOENT && r != -EIO && r != -EINVAL)
		return r;
	image->outcome = r == -EBUSY || r == -ENOENT ? PRUNE_SKIPPED : PRUNE_FAILED;
	image->why = r == -EBUSY    ? xasprintf("it came into use meanwhile (%s)", err->message)
		     : r == -ENOENT ? strdup("it went meanwhile")
				    : strdup(err->message);
	error_clear(err);
	return image->why ? 0 : error_errno(err, ENOMEM, "remove the image '%s'", image->name);
}

static int remove_images(struct node *node, const struct docker *docker,
			 struct prune_images *images, struct error *err)
{
	for (size_t i = 0; i < images->len && images->items[i].verdict == PRUNE_GOES; i++) {
		int r;

		progress_activityf(&node->progress, "removing the image %s", images->items[i].name);
		r = remove_image(docker, &images->items[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What Docker measures before and after; without that what the images' own sizes add up to. */
static void measure(const struct docker *docker, unsigned api, uint64_t before,
		    struct prune_result *result, enum prune_outcome counted)
{
	struct error ignored = ERROR_INIT;
	uint64_t after;

	if (before != UINT64_MAX &&
	    docker_layers_size(docker, api, USAGE_MS, &after, &ignored) == 0) {
		result->freed = before - MIN_OF(before, after);
		result->exact = true;
		return;
	}
	for (size_t i = 0; i < result->images.len; i++) {
		const struct prune_image *image = &result->images.items[i];

		if (image->verdict == PRUNE_GOES && image->outcome == counted)
			result->freed += image->size;
	}
}

static bool any_goes(const struct prune_images *images)
{
	return images->len && images->items[0].verdict == PRUNE_GOES;
}

static int prune_images(struct node *node, const struct docker *docker, unsigned api,
			uint64_t older_than_ms, bool dry_run, struct prune_result *result,
			struct error *err)
{
	_cleanup_json_ json_t *notes = read_notes(&node->host);
	struct error ignored = ERROR_INIT;
	int64_t now = (int64_t)time(NULL);
	uint64_t before = UINT64_MAX;
	int r;

	if (now < EARLIEST)
		return error_set(
			err, EINVAL,
			"this machine's clock is before 2020, so that no age can be told, and "
			"nothing was removed: set the clock");
	r = look_at_images(docker, notes, now, older_than_ms, &result->images, err);
	if (r < 0)
		return r;
	if (dry_run) {
		measure(docker, api, UINT64_MAX, result, PRUNE_PENDING);
		return 0;
	}
	if (any_goes(&result->images)) {
		if (docker_layers_size(docker, api, USAGE_MS, &before, &ignored) < 0)
			before = UINT64_MAX;
		r = remove_images(node, docker, &result->images, err);
		measure(docker, api, before, result, PRUNE_REMOVED);
	}
	return r < 0 ? r : write_notes(node, &result->images, notes, now, err);
}

/* ---- build cache ---- */

static int prune_cache(struct node *node, const struct docker *docker, unsigned api,
		       uint64_t older_than_ms, bool dry_run, struct prune_cache *ret,
		       struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	int r;

	if (dry_run) {
		r = docker_build_cache(docker, api, USAGE_MS, &answer, err);
		return r < 0 ? r
			     : prune_cache_judge(answer, (int64_t)time(NULL), older_than_ms, ret,
						 err);
	}
	progress_activity(&node->progress, "removing build cache");
	r = docker_build_prune(docker, older_than_ms / 1000 + (older_than_ms % 1000 != 0),
			       REMOVE_MS, &answer, err);
	return r < 0 ? r : prune_cache_read(answer, ret, err);
}

/* ---- both ---- */

static int check_outcomes(const struct prune_images *images, struct error *err)
{
	size_t failed = 0;

	for (size_t i = 0; i < images->len; i++)
		failed += images->items[i].outcome == PRUNE_FAILED;
	if (!failed)
		return 0;
	return error_set(err, EIO,
			 "%zu image%s could not be removed (see above): journalctl -u docker",
			 failed, failed == 1 ? "" : "s");
}

int node_prune(struct node *node, uint64_t older_than_ms, bool dry_run, struct prune_result *ret,
	       struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_json_ json_t *version = NULL;
	unsigned api;
	int r;

	*ret = PRUNE_RESULT_INIT;
	r = open_docker(node, &docker, err);
	if (r == 0)
		r = docker_version(&docker, ASK_MS, &version, err);
	if (r < 0)
		return r;
	api = docker_api_minor(version);
	if (node->spec.prune.images)
		r = prune_images(node, &docker, api, older_than_ms, dry_run, ret, err);
	if (r == 0 && node->spec.prune.build_cache)
		r = prune_cache(node, &docker, api, older_than_ms, dry_run, &ret->cache, err);
	return r < 0 ? r : check_outcomes(&ret->images, err);
}
