#include "agent/usage.h"

#include <fcntl.h>

#include "change/change.h"
#include "sandbox/name.h"
#include "sandbox/orphans.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/settings.h"

static void usage_release(struct usage *u)
{
	free(u->id);
	free(u->name);
}

void usages_release(struct usages *usages)
{
	for (size_t i = 0; i < usages->len; i++)
		usage_release(&usages->items[i]);
	free(usages->items);
	*usages = (struct usages){ 0 };
}

/* Where it is, or where it belongs. */
static size_t place_of(const struct usages *usages, const char *id)
{
	size_t low = 0, high = usages->len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(usages->items[middle].id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The one it has now, where that may be another; without memory the old one stays. */
static void read_name(struct usage *u, int pool, const struct settings *settings)
{
	uint64_t stamp = sandbox_name_stamp(settings, u->id);
	const char *engine;
	char *name;

	if (u->name && stamp == u->name_stamp)
		return;
	if (!sandbox_name(settings, pool, u->id, &name, &engine))
		engine = "";
	if (!name)
		name = strdup("");
	if (!name)
		return;
	free(u->name);
	u->name = name;
	u->engine = engine;
	u->name_stamp = stamp;
}

static struct usage *add(struct usages *usages, size_t place, int pool, const char *id,
			 const struct settings *settings)
{
	struct usage *items = reallocarray(usages->items, usages->len + 1, sizeof(*items));
	struct usage fresh = { .engine = "" };

	if (!items)
		return NULL;
	usages->items = items;
	fresh.id = strdup(id);
	if (fresh.id)
		read_name(&fresh, pool, settings);
	if (!fresh.id || !fresh.name) {
		usage_release(&fresh);
		return NULL;
	}
	memmove(&items[place + 1], &items[place], (usages->len - place) * sizeof(*items));
	items[place] = fresh;
	usages->len++;
	return &items[place];
}

static void refresh_one(struct usages *usages, int pool, const char *id, const struct settings *settings)
{
	size_t place = place_of(usages, id);
	bool known = place < usages->len && strcmp(usages->items[place].id, id) == 0;
	struct quota_usage quota;
	struct record record;
	struct usage *u;

	if (record_read(pool, id, &record, NULL) <= 0 || quota_get(pool, record.project, &quota, NULL) < 0)
		return;
	/* Gone, and nothing of it left: berth quota reconcile will note that. */
	if (!quota.used && !record_is_running(&record) && !sandbox_is_kept(settings, id))
		return;
	u = known ? &usages->items[place] : add(usages, place, pool, id, settings);
	if (!u)
		return;
	if (known)
		read_name(u, pool, settings);
	u->quota = quota;
	u->seen = true;
}

static void drop_unseen(struct usages *usages)
{
	size_t kept = 0;

	for (size_t i = 0; i < usages->len; i++) {
		if (usages->items[i].seen)
			usages->items[kept++] = usages->items[i];
		else
			usage_release(&usages->items[i]);
	}
	usages->len = kept;
}

static void count_orphans(struct usages *usages, int pool)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;

	usages->orphans = 0;
	usages->orphan_bytes = 0;
	if (pool_dir_names(pool, POOL_ORPHANS, &ids, NULL) < 0)
		return;
	strv_foreach (&ids, i, id) {
		size_t place = place_of(usages, id);

		usages->orphans++;
		if (place < usages->len && strcmp(usages->items[place].id, id) == 0)
			usages->orphan_bytes += usages->items[place].quota.used;
	}
}

int usages_refresh(struct usages *usages, const struct host *host, struct error *err)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	_cleanup_fd_ int pool = host_open(host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct settings settings = settings_default();
	int r;

	for (size_t i = 0; i < usages->len; i++)
		usages->items[i].seen = false;
	if (pool < 0) {
		drop_unseen(usages);
		return 0;
	}
	(void)settings_read(SETTINGS_PATH, &settings, NULL);
	r = pool_dir_names(pool, POOL_SANDBOXES, &ids, err);
	strv_foreach (&ids, i, id) {
		if (id[0] != '.')
			refresh_one(usages, pool, id, &settings);
	}
	drop_unseen(usages);
	count_orphans(usages, pool);
	return r;
}
