#include "sandbox/stash.h"

#include <fcntl.h>

#include "base/fault.h"
#include "base/strbuf.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/stash_dirs.h"
#include "sys/dir_names.h"
#include "sys/tree_remove.h"

/* Restoring it was cut off: what is in the volume already goes back to what is not yet. */
static int gather(int pool_fd, const char *kind, const char *id, int restore_fd, struct error *err)
{
	_cleanup_fd_ int volume = volume_open(pool_fd, POOL_SYSBOX, kind, id);
	int r = volume == -ENOENT ? 0 : volume < 0 ? error_errno(err, volume, "open a volume") : 0;

	if (r == 0 && volume >= 0)
		r = move_entries(volume, restore_fd, "stash:rename", err);
	return r < 0 ? r : move_volume(pool_fd, POOL_RESTORE, POOL_STASH, kind, id, "stash:rename", err);
}

static int stash_volume(int pool_fd, const char *kind, const char *id, struct stash_report *report,
			struct error *err)
{
	_cleanup_fd_ int waiting = volume_open(pool_fd, POOL_STASH, kind, id);
	_cleanup_fd_ int restoring = volume_open(pool_fd, POOL_RESTORE, kind, id);
	_cleanup_fd_ int volume = -EBADF;
	int r;

	if (restoring >= 0) {
		r = gather(pool_fd, kind, id, restoring, err);
		report->stashed += r == 0;
		report->gathered += r == 0;
		return r;
	}
	/* All of it is in the stash: what is in the volume, if anything, is the image's. */
	if (waiting >= 0) {
		report->waiting++;
		return 0;
	}
	volume = volume_open(pool_fd, POOL_SYSBOX, kind, id);
	if (volume < 0) /* a file, or gone meanwhile */
		return volume == -ENOENT || volume == -ENOTDIR || volume == -ELOOP ?
			       0 :
			       error_errno(err, volume, "open a volume");
	r = dir_is_empty(volume);
	if (r != 0)
		return r < 0 ? error_errno(err, r, "read a volume") : 0;
	r = move_volume(pool_fd, POOL_SYSBOX, POOL_STASH, kind, id, "stash:rename", err);
	report->stashed += r == 0;
	return r;
}

/* Volumes of a kind in one of the areas. The first error is kept, the others do not count less. */
static int stash_area(int pool_fd, const char *area, const char *kind, struct stash_report *report,
		      struct error *first)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", area, kind);
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = path ? pool_dir_names(pool_fd, path, &ids, first) : error_errno(first, ENOMEM, "stash");

	strv_foreach (&ids, i, id) {
		struct error err = ERROR_INIT;

		if (id[0] != '.' && stash_volume(pool_fd, kind, id, report, &err) < 0 && r == 0)
			r = error_set(first, err.code, "stash %s of sandbox %.64s: %s", kind, id,
				      err.message);
	}
	return r;
}

int stash_all(int pool_fd, struct stash_report *ret, struct error *err)
{
	static const char *const AREAS[] = { POOL_RESTORE, POOL_SYSBOX };
	struct stash_report report = { 0 };
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(AREAS); i++) {
		_cleanup_(strv_release) struct strv kinds = STRV_INIT;
		struct error first = ERROR_INIT;
		int r = pool_dir_names(pool_fd, AREAS[i], &kinds, &first);

		strv_foreach (&kinds, k, kind) {
			struct error why = ERROR_INIT;
			int one = is_volume_kind(kind) ? stash_area(pool_fd, AREAS[i], kind, &report, &why) :
							 0;

			if (one < 0 && r == 0)
				r = error_set(&first, why.code, "%s", why.message);
		}
		if (r < 0 && result == 0)
			result = error_set(err, first.code, "%s", first.message);
	}
	*ret = report;
	return result;
}

static int each_in(int pool_fd, const char *area, stash_fn each, void *userdata, struct error *err)
{
	_cleanup_(strv_release) struct strv kinds = STRV_INIT;
	int r = pool_dir_names(pool_fd, area, &kinds, err);

	strv_foreach (&kinds, i, kind) {
		_cleanup_(strv_release) struct strv ids = STRV_INIT;
		_cleanup_free_ char *path = xasprintf("%s/%s", area, kind);

		if (r >= 0)
			r = path ? pool_dir_names(pool_fd, path, &ids, err) :
				   error_errno(err, ENOMEM, "list the stash");
		strv_foreach (&ids, k, id) {
			if (r >= 0)
				r = each(userdata, kind, id);
		}
	}
	return r < 0 ? r : 0;
}

int stash_each(int pool_fd, stash_fn each, void *userdata, struct error *err)
{
	int r = each_in(pool_fd, POOL_STASH, each, userdata, err);

	return r < 0 ? r : each_in(pool_fd, POOL_RESTORE, each, userdata, err);
}

struct giving {
	int pool;
	struct error *err;
};

static int give_back(void *userdata, const char *kind, const char *id)
{
	struct giving *g = userdata;
	_cleanup_free_ char *folder = xasprintf(POOL_SYSBOX "/%s", kind);
	_cleanup_fd_ int parent = folder ? pool_dir_open(g->pool, folder) : -ENOMEM;

	/* An empty one in its place was made by a sysbox-mgr that is gone. */
	if (parent >= 0)
		(void)unlinkat(parent, id, AT_REMOVEDIR);
	return move_volume(g->pool, POOL_STASH, POOL_SYSBOX, kind, id, "stash:rename", g->err);
}

int stash_give_back(int pool_fd, struct error *err)
{
	struct giving g = { .pool = pool_fd, .err = err };
	struct stash_report report;
	/* Whole volumes first: what is half-way out of the stash goes back into it. */
	int r = stash_all(pool_fd, &report, err);

	return r < 0 ? r : each_in(pool_fd, POOL_STASH, give_back, &g, err);
}

static int remove_volume(int pool_fd, const char *folder, const char *id, struct error *err)
{
	_cleanup_fd_ int parent = pool_dir_open(pool_fd, folder);
	_cleanup_fd_ int volume = parent < 0 ? parent :
					       openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
								  O_CLOEXEC);
	int r;

	if (volume < 0)
		return 0;
	r = tree_remove_below(volume, folder, err);
	if (r < 0)
		return r;
	fault_point("tree:remove");
	if (unlinkat(parent, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "remove the pool's '%s/%.64s'", folder, id);
	return 0;
}

int stash_remove(int pool_fd, const char *id, struct error *err)
{
	static const char *const AREAS[] = { POOL_STASH, POOL_RESTORE };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(AREAS); i++) {
		_cleanup_(strv_release) struct strv kinds = STRV_INIT;

		if (r == 0)
			r = pool_dir_names(pool_fd, AREAS[i], &kinds, err);
		strv_foreach (&kinds, k, kind) {
			_cleanup_free_ char *folder = xasprintf("%s/%s", AREAS[i], kind);

			if (r == 0)
				r = folder ? remove_volume(pool_fd, folder, id, err) :
					     error_errno(err, ENOMEM, "remove a volume");
		}
	}
	return r;
}

int stash_empty_drop(int pool_fd, struct error *err)
{
	_cleanup_fd_ int drop = pool_dir_open(pool_fd, POOL_DROP);

	if (drop < 0)
		return drop == -ENOENT ? 0 : error_errno(err, drop, "open the pool's '" POOL_DROP "'");
	return tree_remove_below(drop, POOL_DROP, err);
}
