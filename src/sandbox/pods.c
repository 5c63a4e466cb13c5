#include "sandbox/pods.h"

#include <inttypes.h>
#include <limits.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "sandbox/pool_dirs.h"

void pod_container_release(struct pod_container *container)
{
	free(container->id);
	free(container->sandbox);
	free(container->name);
	*container = POD_CONTAINER_INIT;
}

void pod_containers_release(struct pod_containers *list)
{
	for (size_t i = 0; i < list->len; i++)
		pod_container_release(&list->items[i]);
	free(list->items);
	*list = POD_CONTAINERS_INIT;
}

/* How long "namespace/pod" is in front of a container's own name; all of it where there is none. */
static size_t pod_part(const char *name)
{
	const char *slash = strchr(name, '/');

	slash = slash ? strchr(slash + 1, '/') : NULL;
	return slash ? (size_t)(slash - name) : strlen(name);
}

int pod_note(int pool_fd, const char *id, const char *sandbox, const char *name, uint64_t mgr, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_make(pool_fd, POOL_PODS, err);
	bool of_sandbox = !name[pod_part(name)];
	_cleanup_free_ char *text = of_sandbox || !mgr ? xasprintf("%s %s", sandbox, name) :
							 xasprintf("%s %s %" PRIu64, sandbox, name, mgr);

	if (dir < 0)
		return dir;
	if (!text)
		return error_errno(err, ENOMEM, "note container %.64s", id);
	(void)unlinkat(dir, id, 0);
	return symlinkat(text, dir, id) < 0 ? error_errno(err, errno, "note container %.64s", id) : 0;
}

void pod_forget(int pool_fd, const char *id)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_PODS);

	if (dir >= 0)
		(void)unlinkat(dir, id, 0);
}

static int read_note(int dir, const char *id, struct pod_container *ret)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir, id, text, sizeof(text) - 1);
	char *name, *mgr;

	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	text[n] = '\0';
	mgr = text;
	(void)strsep(&mgr, " ");
	name = strsep(&mgr, " ");
	if (!name || (mgr && u64_parse(mgr, &ret->mgr) < 0))
		return -EBADMSG;
	ret->id = strdup(id);
	ret->sandbox = strdup(text);
	ret->name = strdup(name);
	if (ret->id && ret->sandbox && ret->name)
		return 1;
	pod_container_release(ret);
	return -ENOMEM;
}

int pod_find(int pool_fd, const char *id, struct pod_container *ret, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_PODS);
	int r = dir == -ENOENT ? 0 : dir < 0 ? dir : read_note(dir, id, ret);

	return r < 0 ? error_errno(err, r, "read the note of container %.64s", id) : r;
}

static int by_sandbox(const void *a, const void *b)
{
	const struct pod_container *x = a, *y = b;
	int r = strcmp(x->sandbox, y->sandbox);

	return r ? r : strcmp(x->name, y->name);
}

int pod_containers_read(int pool_fd, struct pod_containers *ret, struct error *err)
{
	_cleanup_(pod_containers_release) struct pod_containers list = POD_CONTAINERS_INIT;
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_PODS);
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = pool_dir_names(pool_fd, POOL_PODS, &ids, err);

	if (r < 0)
		return r;
	list.items = calloc(ids.len + 1, sizeof(*list.items));
	if (!list.items)
		return error_errno(err, ENOMEM, "list the containers of pods");
	strv_foreach (&ids, i, id) {
		r = read_note(dir, id, &list.items[list.len]);
		if (r == -ENOMEM)
			return error_errno(err, r, "list the containers of pods");
		list.len += r > 0;
	}
	qsort(list.items, list.len, sizeof(*list.items), by_sandbox);
	*ret = list;
	list = POD_CONTAINERS_INIT;
	return 0;
}

/* The list is in the order of names: those of one stand together. */
bool pod_is_older(const struct pod_containers *list, const char *sandbox, uint64_t mgr)
{
	const char *name = "";
	bool older = false;

	for (size_t i = 0; i < list->len; i++) {
		const struct pod_container *c = &list->items[i];

		if (strcmp(c->sandbox, sandbox) != 0)
			continue;
		if (strcmp(c->name, name) != 0 && older)
			return true;
		older = (strcmp(c->name, name) != 0 || older) && c->mgr && c->mgr != mgr;
		name = c->name;
	}
	return older;
}

char *pod_name(const struct pod_containers *list, const char *sandbox)
{
	_cleanup_(strbuf_release) struct strbuf name = STRBUF_INIT;
	char between = '/';

	for (size_t i = 0; i < list->len; i++) {
		const char *whole = list->items[i].name;
		size_t n = pod_part(whole);

		if (strcmp(list->items[i].sandbox, sandbox) != 0)
			continue;
		if (!name.len)
			strbuf_add(&name, whole, n);
		if (!whole[n])
			continue;
		strbuf_printf(&name, "%c%s", between, whole + n + 1);
		between = ',';
	}
	return name.len ? strbuf_steal(&name) : NULL;
}
