#include "sandbox/list.h"

#include <stdlib.h>

#include "base/strbuf.h"
#include "base/strv.h"
#include "quota/budget.h"
#include "sandbox/docker_files.h"
#include "sandbox/name.h"
#include "sandbox/orphans.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/stash.h"

void sandboxes_release(struct sandboxes *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i].id);
		free(list->items[i].name);
	}
	for (size_t i = 0; i < list->unreadable_len; i++) {
		free(list->unreadable[i].id);
		free(list->unreadable[i].why);
	}
	free(list->items);
	free(list->unreadable);
	*list = SANDBOXES_INIT;
}

/* Which containers have something in an area: ids, sorted, some more than once. One look for all of them. */
struct presence {
	struct strv inner, stashed;
	struct pod_containers pods;
};

static int note_stashed(void *userdata, const char *kind, const char *id)
{
	(void)kind;
	return strv_add(userdata, id);
}

static int read_inner(int pool_fd, struct strv *ret, struct error *err)
{
	_cleanup_(strv_release) struct strv kinds = STRV_INIT;
	int r = pool_dir_names(pool_fd, POOL_SYSBOX, &kinds, err);

	strv_foreach (&kinds, i, kind) {
		_cleanup_free_ char *path = xasprintf(POOL_SYSBOX "/%s", kind);

		if (r == 0 && kind[0] != '.')
			r = path ? pool_dir_names(pool_fd, path, ret, err) : error_errno(err, ENOMEM, "list sandboxes");
	}
	return r;
}

static int read_presence(int pool_fd, struct presence *ret, struct error *err)
{
	int r = read_inner(pool_fd, &ret->inner, err);

	if (r == 0)
		r = stash_each(pool_fd, note_stashed, &ret->stashed, err);
	if (r == 0)
		r = pod_containers_read(pool_fd, &ret->pods, err);
	strv_sort(&ret->inner);
	strv_sort(&ret->stashed);
	return r;
}

static int compare_names(const void *key, const void *item)
{
	return strcmp(key, *(char *const *)item);
}

static bool has(const struct strv *sorted, const char *id)
{
	return sorted->len && bsearch(id, sorted->items, sorted->len, sizeof(*sorted->items), compare_names);
}

/* Where it, or any container of the pod it is, has something. */
static unsigned places_of(const struct presence *presence, const char *id)
{
	unsigned where = (has(&presence->inner, id) ? WHERE_INNER : 0U) |
			 (has(&presence->stashed, id) ? WHERE_STASH : 0U);

	for (size_t i = 0; i < presence->pods.len; i++) {
		const struct pod_container *c = &presence->pods.items[i];

		if (strcmp(c->sandbox, id) == 0 && strcmp(c->id, id) != 0)
			where |= places_of(presence, c->id);
	}
	return where;
}

/* A file that cannot be read costs a name, not the figures. */
static void fill_name(const struct settings *settings, const struct presence *presence, struct sandbox *ret)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;

	ret->name = *settings->kubelet ? pod_name(&presence->pods, ret->id) : NULL;
	ret->engine = ret->name ? ENGINE_NAME_KUBERNETES : "";
	if (ret->name || !*settings->engine || docker_files_read(settings->engine, ret->id, &files, NULL) <= 0)
		return;
	ret->engine = ENGINE_NAME_DOCKER;
	ret->name = TAKE_PTR(files.name);
	if (files.anonymous_volumes)
		ret->where |= WHERE_VOLUMES;
}

static int fill(const struct settings *settings, int pool_fd, const char *id,
		const struct presence *presence, struct sandbox *ret, struct error *err)
{
	int r = record_read(pool_fd, id, &ret->record, err);

	if (r <= 0)
		return r;
	r = quota_get(pool_fd, ret->record.project, &ret->usage, err);
	if (r < 0)
		return r;
	ret->id = strdup(id);
	if (!ret->id)
		return error_errno(err, ENOMEM, "list sandboxes");
	ret->where = (ret->record.outside ? 0U : WHERE_LAYER) | places_of(presence, id);
	ret->gone_since = orphan_since(pool_fd, id);
	fill_name(settings, presence, ret);
	/* Removed by its engine, and nothing of it left: reconcile only has to note that. */
	if (!ret->name && !record_is_running(&ret->record) && !ret->usage.used && !(ret->where & WHERE_STASH))
		return 0;
	return 1;
}

/* Without memory the error alone tells of it. */
static void note_unreadable(struct sandboxes *list, const char *id, const char *why)
{
	struct unreadable *items = reallocarray(list->unreadable, list->unreadable_len + 1, sizeof(*items));
	struct unreadable fresh = { .id = strdup(id), .why = strdup(why) };

	if (items)
		list->unreadable = items;
	if (items && fresh.id && fresh.why) {
		items[list->unreadable_len++] = fresh;
	} else {
		free(fresh.id);
		free(fresh.why);
	}
}

static int read_all(const struct settings *settings, int pool_fd, const struct strv *ids,
		    const struct presence *presence, struct sandboxes *ret, struct error *err)
{
	int result = 0;

	ret->items = calloc(ids->len ? ids->len : 1, sizeof(*ret->items));
	if (!ret->items)
		return error_errno(err, ENOMEM, "list sandboxes");
	strv_foreach (ids, i, id) {
		struct error why = ERROR_INIT;
		int r = id[0] == '.' ? 0 : fill(settings, pool_fd, id, presence, &ret->items[ret->len], &why);

		if (r > 0)
			ret->len++;
		else if (r < 0 && result == 0)
			result = error_set(err, EBADMSG, "%s", why.message);
		if (r < 0)
			note_unreadable(ret, id, why.message);
		if (r <= 0) {
			free(TAKE_PTR(ret->items[ret->len].name));
			free(TAKE_PTR(ret->items[ret->len].id));
		}
	}
	return result;
}

int sandboxes_read(const struct settings *settings, int pool_fd, struct sandboxes *ret,
		   struct error *err)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	struct presence presence = { .inner = STRV_INIT, .stashed = STRV_INIT, .pods = POD_CONTAINERS_INIT };
	int r = pool_dir_names(pool_fd, POOL_SANDBOXES, &ids, err);

	*ret = SANDBOXES_INIT;
	if (r == 0)
		r = read_presence(pool_fd, &presence, err);
	if (r == 0)
		r = read_all(settings, pool_fd, &ids, &presence, ret, err);
	strv_release(&presence.inner);
	strv_release(&presence.stashed);
	pod_containers_release(&presence.pods);
	return r;
}

/* Its name, or that of the pod in front of its containers. */
static bool is_called(const struct sandbox *s, const char *what, size_t n)
{
	return s->name && strncmp(s->name, what, n) == 0 &&
	       (!s->name[n] || (s->name[n] == '/' && strchr(what, '/')));
}

int sandboxes_find(const struct sandboxes *list, const char *what, const struct sandbox **ret,
		   struct error *err)
{
	const struct sandbox *found = NULL;
	size_t n = strlen(what);

	for (size_t i = 0; i < list->len; i++) {
		const struct sandbox *s = &list->items[i];

		if (strcmp(s->id, what) == 0 || is_called(s, what, n)) {
			*ret = s;
			return 0;
		}
		if (strncmp(s->id, what, n) != 0 || n < 4)
			continue;
		if (found)
			return error_set(err, EEXIST, "more than one sandbox has an id that begins with "
					 "'%.64s'", what);
		found = s;
	}
	if (!found)
		return error_set(err, ENOENT, "no sandbox is called '%.64s', or none that was started on this "
				 "host yet: 'berth quota ls' lists them", what);
	*ret = found;
	return 0;
}

char *sandbox_where(unsigned where)
{
	static const struct {
		unsigned bit;
		const char *text;
	} PARTS[] = { { WHERE_LAYER, "layer" },
		      { WHERE_INNER, "inner docker" },
		      { WHERE_STASH, "stash" },
		      { WHERE_VOLUMES, "volumes" } };
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(PARTS); i++) {
		if (where & PARTS[i].bit)
			strbuf_printf(&sb, "%s%s", sb.len ? ", " : "", PARTS[i].text);
	}
	return strbuf_steal(&sb);
}

unsigned sandbox_percent(const struct sandbox *sandbox)
{
	if (budget_is_unlimited(sandbox->usage.hard))
		return 0;
	return (unsigned)((__uint128_t)sandbox->usage.used * 100 / sandbox->usage.hard);
}

static uint64_t key_of(const struct sandbox *s, enum sandbox_order order)
{
	switch (order) {
	case ORDER_USED:
		return s->usage.used;
	case ORDER_LIMIT:
		return s->usage.hard;
	case ORDER_PERCENT:
		return sandbox_percent(s);
	case ORDER_INODES:
		return s->usage.inodes;
	default:
		return 0;
	}
}

static int compare(const void *a, const void *b, void *order)
{
	const struct sandbox *x = a, *y = b;
	enum sandbox_order by = *(const enum sandbox_order *)order;
	uint64_t m = key_of(x, by), n = key_of(y, by);
	int r = 0;

	if (m != n)
		return m > n ? -1 : 1;
	if (by != ORDER_ID)
		r = strcmp(x->name ? x->name : "~", y->name ? y->name : "~");
	return r ? r : strcmp(x->id, y->id);
}

void sandboxes_sort(struct sandboxes *list, enum sandbox_order order)
{
	qsort_r(list->items, list->len, sizeof(*list->items), compare, &order);
}
