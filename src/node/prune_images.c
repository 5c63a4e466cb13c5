#include "node/prune_images.h"

#include <string.h>

#include "base/strbuf.h"
#include "base/timestamp.h"
#include "step/sandbox.h"

#define SHORT_ID 12

void prune_images_release(struct prune_images *images)
{
	for (size_t i = 0; i < images->len; i++) {
		struct prune_image *image = &images->items[i];

		free(image->id);
		free(image->name);
		strv_release(&image->tags);
		strv_release(&image->refs);
		free(image->why);
	}
	free(images->items);
	*images = PRUNE_IMAGES_INIT;
}

const char *prune_verdict_name(enum prune_verdict verdict)
{
	static const char *const NAMES[] = {
		[PRUNE_UNDATED] = "undated",   [PRUNE_GOES] = "goes", [PRUNE_USED] = "used",
		[PRUNE_LABELLED] = "labelled", [PRUNE_OWN] = "own",   [PRUNE_YOUNG] = "young",
		[PRUNE_UNKNOWN] = "unknown",   [PRUNE_BASE] = "base", [PRUNE_INNER] = "inner",
	};

	return NAMES[verdict];
}

static int malformed(const char *what, struct error *err)
{
	return error_set(err, EPROTO,
			 "docker's list of %s is not of the expected form; nothing was removed",
			 what);
}

/* ---- one image of the list ---- */

/* Up to API 1.42 an image without a name has "<none>:<none>" and "<none>@<none>". */
static int add_names(const json_t *object, const char *key, struct strv *ret)
{
	const json_t *names = json_object_get(object, key);
	json_t *item;
	size_t i;

	if (names && !json_is_null(names) && !json_is_array(names))
		return -EPROTO;
	json_array_foreach (names, i, item) {
		const char *name = json_string_value(item);

		if (!name)
			return -EPROTO;
		if (strncmp(name, "<none>", 6) != 0 && strv_add(ret, name) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Length of the repository's name in "host:5000/a:tag" or "host:5000/a@sha256:...". */
static size_t repository_len(const char *ref)
{
	const char *at = strchr(ref, '@');
	const char *slash = strrchr(ref, '/');
	const char *colon = strchr(slash ? slash : ref, ':');

	return at ? (size_t)(at - ref) : colon ? (size_t)(colon - ref) : strlen(ref);
}

static bool same_repository(const char *a, const char *b)
{
	size_t n = repository_len(a);

	return n == repository_len(b) && strncmp(a, b, n) == 0;
}

static bool has_repository(const struct strv *refs, const char *ref)
{
	strv_foreach (refs, i, other) {
		if (same_repository(other, ref))
			return true;
	}
	return false;
}

static bool all_of_one_repository(const struct strv *refs)
{
	strv_foreach (refs, i, ref) {
		if (!same_repository(ref, refs->items[0]))
			return false;
	}
	return true;
}

/*
 * By its id Docker removes an image with one name only, and looks at all conflicts before it
 * touches that. More names go one by one; digests go with the last tag of their repository.
 */
static int set_refs(struct prune_image *image, const struct strv *digests)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->tags.len; i++)
		r = strv_add(&image->refs, image->tags.items[i]);
	for (size_t i = 0; r == 0 && i < digests->len; i++) {
		if (!has_repository(&image->tags, digests->items[i]))
			r = strv_add(&image->refs, digests->items[i]);
	}
	image->named = image->refs.len > 0;
	if (image->tags.len <= 1 && all_of_one_repository(&image->refs))
		strv_release(&image->refs);
	return r;
}

static char *display_name(const struct prune_image *image, const struct strv *digests)
{
	const char *hex = strchr(image->id, ':') + 1;

	if (image->tags.len)
		return strdup(image->tags.items[0]);
	if (digests->len)
		return xasprintf("%.*s@%.*s", (int)repository_len(digests->items[0]),
				 digests->items[0], SHORT_ID, hex);
	return strndup(hex, SHORT_ID);
}

static bool to_be_kept(const json_t *object)
{
	const json_t *value = json_object_get(json_object_get(object, "Labels"), PRUNE_LABEL_KEEP);

	return value && !(json_is_string(value) && strcmp(json_string_value(value), "false") == 0);
}

static bool is_own(const struct strv *tags)
{
	strv_foreach (tags, i, tag) {
		if (strncmp(tag, SANDBOX_NAME ":", sizeof(SANDBOX_NAME)) == 0)
			return true;
	}
	return false;
}

static bool is_image_id(const char *id)
{
	return id && strncmp(id, "sha256:", 7) == 0 && id[7] &&
	       strspn(id + 7, "0123456789abcdef") == strlen(id + 7);
}

static int read_image(const json_t *object, struct prune_image *ret)
{
	_cleanup_(strv_release) struct strv digests = STRV_INIT;
	const char *id = json_get_string(object, "Id");
	const json_t *created = json_object_get(object, "Created");
	json_int_t size = json_get_int(object, "Size", -1);
	int r;

	ret->parent = SIZE_MAX;
	if (!is_image_id(id) || size < 0 || !json_is_integer(created))
		return -EPROTO;
	ret->id = strdup(id);
	ret->size = (uint64_t)size;
	ret->since = json_integer_value(created);
	r = add_names(object, "RepoTags", &ret->tags);
	if (r == 0)
		r = add_names(object, "RepoDigests", &digests);
	if (r < 0 || !ret->id)
		return r < 0 ? r : -ENOMEM;
	ret->name = display_name(ret, &digests);
	ret->verdict = to_be_kept(object)   ? PRUNE_LABELLED
		       : is_own(&ret->tags) ? PRUNE_OWN
					    : PRUNE_UNDATED;
	return ret->name ? set_refs(ret, &digests) : -ENOMEM;
}

/* ---- who is made of whom, who is used ---- */

static size_t find(const json_t *index, const char *id)
{
	const json_t *at = json_object_get(index, id);

	return at ? (size_t)json_integer_value(at) : SIZE_MAX;
}

static int link_parents(const json_t *array, const json_t *index, struct prune_images *images)
{
	for (size_t i = 0; i < images->len; i++) {
		const char *parent = json_get_string(json_array_get(array, i), "ParentId");

		if (parent && *parent)
			images->items[i].parent = find(index, parent);
	}
	for (size_t i = 0; i < images->len; i++) {
		struct prune_image *image = &images->items[i];

		for (size_t p = image->parent; p != SIZE_MAX; p = images->items[p].parent) {
			/* An image that is made of itself: a list that makes no sense. */
			if (++image->depth > images->len)
				return -EPROTO;
		}
	}
	return 0;
}

/* The image and all it is made of. */
static void mark_used(struct prune_images *images, size_t at)
{
	for (; at != SIZE_MAX && images->items[at].verdict != PRUNE_USED;
	     at = images->items[at].parent)
		images->items[at].verdict = PRUNE_USED;
}

/* As somebody may have written it: with or without ":latest", an id or its beginning. */
static bool is_called(const struct prune_image *image, const char *name)
{
	size_t n = strlen(name);

	strv_foreach (&image->tags, i, tag) {
		if (strcmp(tag, name) == 0 ||
		    (strncmp(tag, name, n) == 0 && strcmp(tag + n, ":latest") == 0))
			return true;
	}
	return n && (strncmp(image->id, name, n) == 0 || strncmp(image->id + 7, name, n) == 0);
}

/*
 * An image mounted into a container (Docker 28): known by the name alone that it was asked for,
 * which may be another image's by now. Then it has none, so that those without a name are in doubt.
 */
static void mark_mounted(struct prune_images *images, const json_t *mount)
{
	const char *type = json_get_string(mount, "Type");
	const char *name = json_get_string(mount, "Name");

	if (!type || strcmp(type, "image") != 0)
		return;
	for (size_t i = 0; i < images->len; i++) {
		if (!images->items[i].tags.len || !name || is_called(&images->items[i], name))
			mark_used(images, i);
	}
}

static int mark_containers(struct prune_images *images, const json_t *index,
			   const json_t *containers)
{
	json_t *container, *mount;
	size_t i, m;

	json_array_foreach (containers, i, container) {
		const char *id = json_get_string(container, "ImageID");

		if (!id || !*id)
			return -EPROTO;
		mark_used(images, find(index, id));
		json_array_foreach (json_object_get(container, "Mounts"), m, mount)
			mark_mounted(images, mount);
	}
	return 0;
}

/* No name, and others are made of it. */
static void mark_inner(struct prune_images *images)
{
	for (size_t i = 0; i < images->len; i++) {
		size_t parent = images->items[i].parent;

		if (parent != SIZE_MAX && images->items[parent].verdict == PRUNE_UNDATED &&
		    !images->items[parent].named)
			images->items[parent].verdict = PRUNE_INNER;
	}
}

static int read_list(const json_t *array, struct prune_images *images, json_t *index)
{
	const json_t *object;
	size_t i;
	int r = 0;

	images->items = calloc(json_array_size(array) + 1, sizeof(*images->items));
	if (!images->items)
		return -ENOMEM;
	json_array_foreach (array, i, object) {
		r = read_image(object, &images->items[images->len++]);
		if (r == 0 && json_object_set_new(index, images->items[i].id,
						  json_integer((json_int_t)i)) < 0)
			r = -ENOMEM;
		if (r < 0)
			return r;
	}
	return json_object_size(index) == images->len ? 0 : -EPROTO;
}

int prune_images_read(const json_t *array, const json_t *containers, struct prune_images *ret,
		      struct error *err)
{
	_cleanup_(prune_images_release) struct prune_images images = PRUNE_IMAGES_INIT;
	_cleanup_json_ json_t *index = json_object();
	int r;

	if (!json_is_array(array))
		return malformed("images", err);
	if (!json_is_array(containers))
		return malformed("containers", err);
	r = index ? read_list(array, &images, index) : -ENOMEM;
	if (r == 0)
		r = link_parents(array, index, &images);
	if (r == -EPROTO)
		return malformed("images", err);
	if (r == 0)
		r = mark_containers(&images, index, containers);
	if (r == -EPROTO)
		return malformed("containers", err);
	if (r < 0)
		return error_errno(err, r, "read docker's list of images");
	mark_inner(&images);
	*ret = images;
	images = PRUNE_IMAGES_INIT;
	return 0;
}

/* ---- dates ---- */

/* Go's year 1 and, from containerd's store, 1970 stand for "never". */
static bool last_tag(const json_t *inspected, int64_t *ret)
{
	const char *text = json_get_string(json_object_get(inspected, "Metadata"), "LastTagTime");

	return text && timestamp_parse(text, ret) == 0 && *ret > 0;
}

/* Notes from a time that has not come yet are of a clock that was wrong. */
static bool noted(const json_t *notes, const char *id, int64_t now, int64_t *ret)
{
	const json_t *value = json_object_get(notes, id);

	*ret = json_integer_value(value);
	return json_is_integer(value) && *ret <= now;
}

void prune_image_date(struct prune_image *image, const json_t *inspected, const json_t *notes,
		      int64_t now)
{
	const char *created = json_get_string(inspected, "Created");
	int64_t date;

	if (created && timestamp_parse(created, &date) == 0)
		image->since = MAX_OF(image->since, date);
	if (last_tag(inspected, &date)) {
		image->since = MAX_OF(image->since, date);
		image->dated = true;
	}
	if (noted(notes, image->id, now, &date)) {
		image->since = MAX_OF(image->since, date);
		image->dated = true;
	}
}

bool prune_old_enough(int64_t since, int64_t now, uint64_t limit_ms)
{
	int64_t age;

	if (limit_ms == 0)
		return true;
	if (__builtin_sub_overflow(now, since, &age))
		return since < now;
	return age >= 0 && (uint64_t)age >= limit_ms / 1000 + (limit_ms % 1000 != 0);
}

/* ---- the decision ---- */

/* Docker removes an image only when none is made of it. */
static void keep_bases(struct prune_images *images)
{
	for (size_t i = 0; i < images->len; i++) {
		enum prune_verdict verdict = images->items[i].verdict;

		if (verdict == PRUNE_GOES || verdict == PRUNE_INNER)
			continue;
		for (size_t p = images->items[i].parent; p != SIZE_MAX;
		     p = images->items[p].parent) {
			if (images->items[p].verdict == PRUNE_GOES)
				images->items[p].verdict = PRUNE_BASE;
		}
	}
}

/* Docker takes nameless parents along, up to the first one with a name: is one of them to stay? */
static bool keeps_parent(const struct prune_images *images, const struct prune_image *image)
{
	for (size_t p = image->parent; p != SIZE_MAX; p = images->items[p].parent) {
		if (images->items[p].verdict == PRUNE_LABELLED)
			return true;
		if (images->items[p].verdict != PRUNE_INNER)
			return false;
	}
	return false;
}

static int by_turn(const void *pa, const void *pb)
{
	const struct prune_image *a = pa, *b = pb;
	bool a_goes = a->verdict == PRUNE_GOES, b_goes = b->verdict == PRUNE_GOES;

	if (a_goes != b_goes)
		return a_goes ? -1 : 1;
	if (a->depth != b->depth)
		return a->depth > b->depth ? -1 : 1;
	return strcmp(a->name, b->name);
}

void prune_images_decide(struct prune_images *images, int64_t now, uint64_t limit_ms)
{
	for (size_t i = 0; i < images->len; i++) {
		struct prune_image *image = &images->items[i];

		if (image->verdict != PRUNE_UNDATED)
			continue;
		if (!prune_old_enough(image->since, now, limit_ms))
			image->verdict = PRUNE_YOUNG;
		else
			image->verdict = limit_ms && !image->dated ? PRUNE_UNKNOWN : PRUNE_GOES;
	}
	keep_bases(images);
	for (size_t i = 0; i < images->len; i++)
		images->items[i].alone = keeps_parent(images, &images->items[i]);
	qsort(images->items, images->len, sizeof(*images->items), by_turn);
	/* Their places are others now. */
	for (size_t i = 0; i < images->len; i++)
		images->items[i].parent = SIZE_MAX;
}

json_t *prune_images_note(const struct prune_images *images, const json_t *notes, int64_t now)
{
	json_t *ret = json_object();

	for (size_t i = 0; ret && i < images->len; i++) {
		const struct prune_image *image = &images->items[i];
		int64_t date;

		if (image->verdict == PRUNE_USED || image->verdict == PRUNE_OWN ||
		    image->outcome == PRUNE_REMOVED)
			continue;
		if (!noted(notes, image->id, now, &date))
			date = now;
		if (json_object_set_new(ret, image->id, json_integer(date)) < 0) {
			json_decref(ret);
			ret = NULL;
		}
	}
	return ret;
}
