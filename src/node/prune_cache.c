#include "node/prune_cache.h"

#include "base/timestamp.h"
#include "node/prune_images.h"

void prune_cache_release(struct prune_cache *cache)
{
	strv_release(&cache->ids);
	*cache = PRUNE_CACHE_INIT;
}

static int malformed(const char *what, struct error *err)
{
	return error_set(err, EPROTO, "docker's %s is not of the expected form", what);
}

static bool goes(const json_t *record, int64_t now, uint64_t limit_ms)
{
	const char *used = json_get_string(record, "LastUsedAt");
	int64_t date;

	if (json_get_bool(record, "InUse", true))
		return false;
	if (!used)
		return true;
	return timestamp_parse(used, &date) == 0 && prune_old_enough(date, now, limit_ms);
}

/* Take a parent's name out of those that go; it is to be looked at once more then. */
static bool keep(json_t *going, const json_t *id)
{
	const char *text = json_string_value(id);

	return text && json_object_get(going, text) && json_object_del(going, text) == 0;
}

/* A record that stays holds what it is made of. One parent up to API 1.41, a list since, misspelt
 * by 28. */
static bool keep_parents(json_t *going, const json_t *record)
{
	static const char *const LISTS[] = { "Parents", " Parents" };
	bool changed = keep(going, json_object_get(record, "Parent"));
	const json_t *id;
	size_t i;

	for (size_t l = 0; l < ARRAY_SIZE(LISTS); l++) {
		json_array_foreach (json_object_get(record, LISTS[l]), i, id)
			changed = keep(going, id) || changed;
	}
	return changed;
}

static int find_going(const json_t *records, int64_t now, uint64_t limit_ms, json_t *going)
{
	const json_t *record;
	bool changed = true;
	size_t i;

	json_array_foreach (records, i, record) {
		const char *id = json_get_string(record, "ID");

		if (!id || json_get_int(record, "Size", -1) < 0)
			return -EPROTO;
		if (goes(record, now, limit_ms) && json_object_set(going, id, json_true()) < 0)
			return -ENOMEM;
	}
	while (changed) {
		changed = false;
		json_array_foreach (records, i, record) {
			if (!json_object_get(going, json_get_string(record, "ID")))
				changed = keep_parents(going, record) || changed;
		}
	}
	return 0;
}

int prune_cache_judge(const json_t *usage, int64_t now, uint64_t limit_ms, struct prune_cache *ret,
		      struct error *err)
{
	_cleanup_(prune_cache_release) struct prune_cache cache = PRUNE_CACHE_INIT;
	const json_t *records = json_object_get(usage, "BuildCache");
	_cleanup_json_ json_t *going = json_object();
	const json_t *record;
	size_t i;
	int r;

	if (!json_is_object(usage) ||
	    (records && !json_is_null(records) && !json_is_array(records)))
		return malformed("list of build cache", err);
	r = going ? find_going(records, now, limit_ms, going) : -ENOMEM;
	if (r == -EPROTO)
		return malformed("list of build cache", err);
	json_array_foreach (records, i, record) {
		const char *id = json_get_string(record, "ID");

		if (r < 0 || !json_object_get(going, id))
			continue;
		r = strv_add(&cache.ids, id);
		if (!json_get_bool(record, "Shared", false))
			cache.size += (uint64_t)json_get_int(record, "Size", 0);
	}
	if (r < 0)
		return error_errno(err, r, "read docker's list of build cache");
	*ret = cache;
	cache = PRUNE_CACHE_INIT;
	return 0;
}

int prune_cache_read(const json_t *report, struct prune_cache *ret, struct error *err)
{
	_cleanup_(prune_cache_release) struct prune_cache cache = PRUNE_CACHE_INIT;
	const json_t *ids = json_object_get(report, "CachesDeleted");
	json_int_t size = json_get_int(report, "SpaceReclaimed", -1);
	const json_t *id;
	size_t i;

	if (size < 0 || (ids && !json_is_null(ids) && !json_is_array(ids)))
		return malformed("report on removed build cache", err);
	cache.size = (uint64_t)size;
	json_array_foreach (ids, i, id) {
		if (!json_is_string(id))
			return malformed("report on removed build cache", err);
		if (strv_add(&cache.ids, json_string_value(id)) < 0)
			return error_errno(err, ENOMEM, "read docker's report");
	}
	*ret = cache;
	cache = PRUNE_CACHE_INIT;
	return 0;
}
