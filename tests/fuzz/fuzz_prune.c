/*
 * Any answers of Docker: {"images", "containers", "inspected", "notes", "usage", "limit"}. What
 * goes is never an image that a container names, nor one that something staying is made of.
 */
#include "node/prune_cache.h"
#include "node/prune_images.h"

#define NOW INT64_C(1714558272)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const json_t *in_list(const json_t *list, const char *key, const char *value)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *text = json_get_string(item, key);

		if (text && strcmp(text, value) == 0)
			return item;
	}
	return NULL;
}

static const struct prune_image *find(const struct prune_images *images, const char *id)
{
	for (size_t i = 0; id && i < images->len; i++) {
		if (strcmp(images->items[i].id, id) == 0)
			return &images->items[i];
	}
	return NULL;
}

static void check(const struct prune_images *images, const json_t *list, const json_t *containers)
{
	for (size_t i = 0; i < images->len; i++) {
		const struct prune_image *image = &images->items[i];
		const json_t *object = in_list(list, "Id", image->id);
		const struct prune_image *parent =
			find(images, json_get_string(object, "ParentId"));
		bool goes = image->verdict == PRUNE_GOES;

		if (!object || image->verdict == PRUNE_UNDATED || image->refs.len == 1)
			abort();
		if (goes && in_list(containers, "ImageID", image->id))
			abort();
		if (goes && i && images->items[i - 1].verdict != PRUNE_GOES)
			abort();
		if (parent && parent->verdict == PRUNE_GOES && !goes &&
		    image->verdict != PRUNE_INNER)
			abort();
	}
}

static void judge(const json_t *input)
{
	_cleanup_(prune_images_release) struct prune_images images = PRUNE_IMAGES_INIT;
	const json_t *list = json_object_get(input, "images");
	const json_t *containers = json_object_get(input, "containers");
	const json_t *notes = json_object_get(input, "notes");
	json_int_t limit = json_get_int(input, "limit", 0);
	_cleanup_json_ json_t *next = NULL;
	struct error err = ERROR_INIT;

	if (prune_images_read(list, containers, &images, &err) < 0) {
		if (err.code != EPROTO || images.len)
			abort();
		return;
	}
	for (size_t i = 0; i < images.len; i++)
		prune_image_date(&images.items[i], json_object_get(input, "inspected"), notes, NOW);
	prune_images_decide(&images, NOW, limit > 0 ? (uint64_t)limit : 0);
	check(&images, list, containers);
	next = prune_images_note(&images, notes, NOW);
	if (!next || json_object_size(next) > images.len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *input = NULL;
	_cleanup_(prune_cache_release) struct prune_cache cache = PRUNE_CACHE_INIT,
							  gone = PRUNE_CACHE_INIT;

	if (json_parse((const char *)data, size, "the answers", &input, NULL) < 0)
		return 0;
	judge(input);
	(void)prune_cache_judge(json_object_get(input, "usage"), NOW, 1000, &cache, NULL);
	(void)prune_cache_read(json_object_get(input, "usage"), &gone, NULL);
	return 0;
}
