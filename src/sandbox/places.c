#include "sandbox/places.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/strbuf.h"
#include "sandbox/docker_files.h"
#include "sandbox/pool_dirs.h"

void places_release(struct places *places)
{
	for (size_t i = 0; i < places->len; i++)
		free(places->items[i].path);
	free(places->items);
	free(places->layer_dir);
	*places = PLACES_INIT;
}

void layer_release(struct layer *layer)
{
	free(layer->upper);
	free(layer->work);
	free(layer->dir);
	*layer = LAYER_INIT;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path ? strndup(path, (size_t)(slash - path)) : strdup("/");
}

static int add(struct places *places, enum place_kind kind, char *path)
{
	struct place *items = path ? reallocarray(places->items, places->len + 1, sizeof(*items)) : NULL;

	if (!items) {
		free(path);
		return -ENOMEM;
	}
	places->items = items;
	places->items[places->len++] = (struct place){ .kind = kind, .path = path };
	return 0;
}

/*
 * Docker mounts with paths relative to its overlay2/ when there are many layers. That is the folder
 * two above the root file system, overlay2/<layer>/merged.
 */
static int absolute(const char *rootfs, char **path)
{
	_cleanup_free_ char *dir = NULL, *base = NULL, *given = NULL;

	if (**path == '/')
		return 0;
	dir = parent_of(rootfs);
	base = dir ? parent_of(dir) : NULL;
	given = TAKE_PTR(*path);
	*path = base ? xasprintf("%s/%s", base, given) : NULL;
	return *path ? 0 : -ENOMEM;
}

int layer_find(const struct mount_table *table, const char *rootfs, struct layer *ret,
	       struct error *err)
{
	_cleanup_(layer_release) struct layer layer = LAYER_INIT;
	const struct mount_entry *mount = mount_table_at(table, rootfs);
	const char *name = strrchr(rootfs, '/');
	int r = 0;

	if (mount && strcmp(mount->type, "overlay") == 0) {
		r = mount_option_get(mount->super_options, "upperdir", &layer.upper);
		if (r == 0)
			r = mount_option_get(mount->super_options, "workdir", &layer.work);
		if (r == -ENOENT) /* all of it is read-only: nothing can be written */
			return 0;
		if (r == 0)
			r = absolute(rootfs, &layer.upper);
		if (r == 0)
			r = absolute(rootfs, &layer.work);
	} else {
		layer.upper = strdup(rootfs);
		r = layer.upper ? 0 : -ENOMEM;
	}
	/* By Docker's own layout, also where Sysbox has mounted a clone over it. */
	if (r == 0) {
		layer.dir = parent_of(name && strcmp(name, "/merged") == 0 ? rootfs : layer.upper);
		r = layer.dir ? 0 : -ENOMEM;
	}
	if (r < 0)
		return error_errno(err, r, "find the layer of '%s'", rootfs);
	*ret = layer;
	layer = LAYER_INIT;
	return 0;
}

int pool_path(const struct mount_table *table, const char *pool, const char *path, char **ret,
	      struct error *err)
{
	const struct mount_entry *top = mount_table_at(table, pool);
	const struct mount_entry *mount = mount_table_covering(table, path);
	_cleanup_free_ char *whole = NULL;
	const char *below, *skip;

	if (!top)
		return error_set(err, ENODEV, "nothing is mounted on the pool's '%s'", pool);
	if (!mount || mount->major != top->major || mount->minor != top->minor)
		return error_set(err, EXDEV, "'%s' is not on the pool '%s', and so cannot be in a budget",
				 path, pool);
	below = strcmp(mount->target, "/") == 0 ? path : path + strlen(mount->target);
	whole = xasprintf("%s%s", strcmp(mount->root, "/") == 0 ? "" : mount->root, below);
	if (!whole)
		return error_errno(err, ENOMEM, "find '%s' on the pool", path);
	/* The pool's own mount shows the whole file system; were it a part, paths begin behind it. */
	skip = whole;
	if (strcmp(top->root, "/") != 0) {
		size_t n = strlen(top->root);

		if (strncmp(whole, top->root, n) != 0 || (whole[n] && whole[n] != '/'))
			return error_set(err, EXDEV, "'%s' is outside of the pool's mount '%s'", path, pool);
		skip += n;
	}
	skip += strspn(skip, "/");
	*ret = strdup(*skip ? skip : ".");
	return *ret ? 0 : error_errno(err, ENOMEM, "find '%s' on the pool", path);
}

static int add_host_path(const struct mount_table *table, const char *pool, enum place_kind kind,
			 const char *path, struct places *places, struct error *err)
{
	char *below = NULL;
	int r = pool_path(table, pool, path, &below, err);

	if (r < 0)
		return r;
	return add(places, kind, below) < 0 ? error_errno(err, ENOMEM, "note '%s'", path) : 0;
}

/* sysbox/<kind>/<id>, for every kind there is: later Sysboxes may know more. */
static int find_inner(int pool_fd, const char *id, struct places *places, struct error *err)
{
	_cleanup_(strv_release) struct strv kinds = STRV_INIT;
	int r = pool_dir_names(pool_fd, POOL_SYSBOX, &kinds, err);

	if (r < 0)
		return r;
	strv_foreach (&kinds, i, kind) {
		_cleanup_free_ char *path = NULL;
		struct stat st;

		if (kind[0] == '.')
			continue;
		path = xasprintf(POOL_SYSBOX "/%s/%s", kind, id);
		if (path && (fstatat(pool_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)))
			continue;
		if (add(places, PLACE_INNER, TAKE_PTR(path)) < 0)
			return error_errno(err, ENOMEM, "find what Sysbox keeps of %.64s", id);
	}
	return 0;
}

/* Docker's own files of a container, and its volumes without a name. -1: neither. */
static int docker_bind(const struct settings *settings, const char *id, const char *source)
{
	if (!*settings->engine)
		return -1;
	if (docker_is_file_of(settings->engine, id, source))
		return PLACE_FILE;
	return docker_is_anonymous_volume(settings->engine, source) ? PLACE_VOLUME : -1;
}

/* What is behind ".../<folder>/<id>/" of a path; NULL: it has no such part. */
static const char *behind(const char *path, const char *folder, const char *id)
{
	_cleanup_free_ char *part = xasprintf("/%s/%s/", folder, id);
	const char *found = part ? strstr(path, part) : NULL;

	return found ? found + strlen(part) : NULL;
}

/*
 * Of a pod: its emptyDirs, the volumes of its images (containerd's own, .../containers/<id>/volumes/<n>), and the files
 * that kubelet and its engine keep for it and mount into it writable: /etc/hosts, the termination log; /etc/hostname
 * and /etc/resolv.conf of its sandbox (.../sandboxes/<id>/). Other volumes outlive it, or are not its own.
 */
static int pod_bind(const struct settings *settings, const char *id, const char *pod, const char *source)
{
	static const char EMPTY_DIR[] = "/volumes/kubernetes.io~empty-dir/";
	size_t n = strlen(settings->kubelet);
	const char *rest = behind(source, "containers", id);

	if (behind(source, "sandboxes", pod))
		return PLACE_FILE;
	if (rest && strncmp(rest, "volumes/", 8) == 0 && !strchr(rest + 8, '/'))
		return PLACE_VOLUME;
	if (strncmp(source, settings->kubelet, n) != 0 || strncmp(source + n, "/pods/", 6) != 0)
		return -1;
	rest = strchr(source + n + 6, '/'); /* behind the pod's uid */
	if (!rest)
		return -1;
	if (strncmp(rest, EMPTY_DIR, sizeof(EMPTY_DIR) - 1) == 0)
		return strchr(rest + sizeof(EMPTY_DIR) - 1, '/') ? -1 : PLACE_VOLUME;
	return strcmp(rest, "/etc-hosts") == 0 || strncmp(rest, "/containers/", 12) == 0 ? PLACE_FILE : -1;
}

/*
 * A part of an emptyDir (subPath), which kubelet binds elsewhere first: ".../pods/UID/volume-subpaths/..." is, on the pool,
 * ".../pods/UID/volumes/kubernetes.io~empty-dir/NAME/PART". All of the volume counts. 1: added, 0: it is not that.
 */
static int add_sub_path(const struct mount_table *table, const struct settings *settings, const char *source,
			struct places *places)
{
	static const char PODS[] = "/pods/", PART[] = "/volume-subpaths/", EMPTY_DIR[] = "/volumes/kubernetes.io~empty-dir/";
	size_t n = strlen(settings->kubelet), uid;
	_cleanup_free_ char *below = NULL, *of_pod = NULL;
	struct error ignored = ERROR_INIT;
	const char *name;

	if (strncmp(source, settings->kubelet, n) != 0 || strncmp(source + n, PODS, sizeof(PODS) - 1) != 0)
		return 0;
	uid = strcspn(source + n + sizeof(PODS) - 1, "/");
	if (strncmp(source + n + sizeof(PODS) - 1 + uid, PART, sizeof(PART) - 1) != 0 ||
	    pool_path(table, settings->pool, source, &below, &ignored) < 0)
		return 0;
	of_pod = xasprintf("%.*s%s", (int)(sizeof(PODS) - 1 + uid), source + n, EMPTY_DIR);
	if (!of_pod)
		return -ENOMEM;
	name = strstr(below, of_pod);
	if (!name || !name[strlen(of_pod)])
		return 0;
	name += strlen(of_pod);
	return add(places, PLACE_VOLUME, strndup(below, (size_t)(name - below) + strcspn(name, "/"))) < 0 ? -ENOMEM : 1;
}

static int find_binds(const struct mount_table *table, const struct settings *settings, const char *id,
		      const struct bundle *bundle, struct places *places, struct error *err)
{
	strv_foreach (&bundle->binds, i, source) {
		struct error why = ERROR_INIT;
		int kind = bundle->pod ? pod_bind(settings, id, bundle->pod, source) : docker_bind(settings, id, source);
		int r;

		r = kind < 0 && bundle->pod ? add_sub_path(table, settings, source, places) : 0;
		if (r < 0)
			return error_errno(err, r, "find '%s' on the pool", source);
		if (kind < 0)
			continue;
		r = add_host_path(table, settings->pool, (enum place_kind)kind, source, places, &why);
		/* -EXDEV: a volume driver, or the engine, has mounted something else there. */
		if (r < 0 && r != -EXDEV)
			return error_set(err, why.code, "%s", why.message);
	}
	return 0;
}

/*
 * sysbox-runc mounts the overlay anew inside of the sandbox, with a work directory of its own beside the
 * engine's (rootfs_init_linux.go). The host sees no mount of it; were it in another project, every copy-up
 * would end with EXDEV.
 */
static int add_work(const struct mount_table *table, const char *pool, const char *work,
		    struct places *places, struct error *err)
{
	_cleanup_free_ char *own = xasprintf("%s-sysbox", work);
	struct stat st;
	int r = own ? add_host_path(table, pool, PLACE_WORK, work, places, err) :
		      error_errno(err, ENOMEM, "find the layer");

	if (r == 0 && lstat(own, &st) == 0 && S_ISDIR(st.st_mode))
		r = add_host_path(table, pool, PLACE_WORK, own, places, err);
	return r;
}

static int find_layer(const struct mount_table *table, const char *pool, const struct bundle *bundle,
		      struct places *places, struct error *err)
{
	_cleanup_(layer_release) struct layer layer = LAYER_INIT;
	struct error ignored = ERROR_INIT;
	int r = layer_find(table, bundle->rootfs, &layer, err);

	if (r < 0 || !layer.upper)
		return r;
	r = add_host_path(table, pool, PLACE_LAYER, layer.upper, places, err);
	if (r == -EXDEV && bundle->pod) {
		error_clear(err);
		return 0;
	}
	if (r == 0 && layer.work)
		r = add_work(table, pool, layer.work, places, err);
	/* An engine of pods gives its layers no project: what is there is of a snapshot's last owner. */
	if (r == 0 && !bundle->pod)
		(void)pool_path(table, pool, layer.dir, &places->layer_dir, &ignored);
	return r;
}

int places_find_inner(int pool_fd, const char *id, struct places *ret, struct error *err)
{
	_cleanup_(places_release) struct places places = PLACES_INIT;
	int r = find_inner(pool_fd, id, &places, err);

	if (r < 0)
		return r;
	*ret = places;
	places = PLACES_INIT;
	return 0;
}

int places_find(const struct mount_table *table, int pool_fd, const struct settings *settings, const char *id,
		const struct bundle *bundle, struct places *ret, struct error *err)
{
	_cleanup_(places_release) struct places places = PLACES_INIT;
	int r = find_layer(table, settings->pool, bundle, &places, err);

	if (r == 0)
		r = find_inner(pool_fd, id, &places, err);
	if (r == 0)
		r = find_binds(table, settings, id, bundle, &places, err);
	if (r < 0)
		return r;
	*ret = places;
	places = PLACES_INIT;
	return 0;
}
