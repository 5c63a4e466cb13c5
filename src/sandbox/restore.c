/* The way out of the stash; stash.h tells the whole. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/strbuf.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/stash.h"
#include "sandbox/stash_dirs.h"
#include "sys/dir_names.h"
#include "sys/quota.h"

#define DROPS_MAX     1000
#define SHIFTED_FROM  65536 /* owners from here on are of a user namespace */

/* Aside with what an image brought: it has the names that the sandbox's own entries shall have. */
static int put_aside(int pool_fd, int volume, const char *id, struct error *err)
{
	_cleanup_fd_ int drop = pool_dir_make(pool_fd, POOL_DROP, err);
	int r = drop < 0 ? drop : dir_is_empty(volume);

	if (drop < 0)
		return drop;
	if (r != 0)
		return r < 0 ? error_errno(err, r, "read a volume") : 0;
	for (unsigned n = 0; n < DROPS_MAX; n++) {
		_cleanup_free_ char *name = xasprintf("%s.%u", id, n);
		_cleanup_fd_ int aside = -EBADF;

		if (!name)
			return error_errno(err, ENOMEM, "restore a volume");
		if (mkdirat(drop, name, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return error_errno(err, errno, "make the pool's '" POOL_DROP "/%s'", name);
		}
		aside = openat(drop, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (aside < 0)
			return error_errno(err, errno, "open the pool's '" POOL_DROP "/%s'", name);
		return move_entries(volume, aside, "restore:rename", err);
	}
	return error_set(err, EEXIST, "the pool's '" POOL_DROP "' is full of %s: 'berth quota reconcile' "
			 "empties it", id);
}

/*
 * A volume whose owner is in a user namespace's range cannot take the place of one whose owner is not,
 * and the other way round: all of it would look like nobody's. Better no start than that.
 */
static int check_owner(int volume, int kept, const char *kind, struct error *err)
{
	struct stat now, then;

	if (fstat(volume, &now) < 0 || fstat(kept, &then) < 0)
		return error_errno(err, errno, "look at a volume");
	if ((now.st_uid >= SHIFTED_FROM) == (then.st_uid >= SHIFTED_FROM))
		return 0;
	return error_set(err, EUCLEAN, "the %s volume in the stash has owner %u and the new one %u: Sysbox "
			 "maps the ids of this sandbox another way than before; nothing was moved", kind,
			 then.st_uid, now.st_uid);
}

static int finish(int pool_fd, const char *kind, const char *id, int volume, struct error *err)
{
	_cleanup_free_ char *folder = xasprintf(POOL_RESTORE "/%s", kind);
	_cleanup_fd_ int parent = folder ? pool_dir_open(pool_fd, folder) : -ENOMEM;
	_cleanup_fd_ int kept = volume_open(pool_fd, POOL_RESTORE, kind, id);
	struct stat st;
	uint32_t project;
	bool inherit;
	int r;

	if (parent < 0 || kept < 0)
		return error_errno(err, parent < 0 ? parent : kept, "open the %s volume to restore", kind);
	r = move_entries(kept, volume, "restore:rename", err);
	if (r < 0)
		return r;
	if (fstat(kept, &st) < 0 || fchown(volume, st.st_uid, st.st_gid) < 0 ||
	    fchmod(volume, st.st_mode & 07777) < 0)
		return error_errno(err, errno, "restore the mode of the %s volume", kind);
	/* All that came is in that project: the start has nothing to walk through. */
	if (quota_get_project(kept, &project, &inherit, NULL) == 0 && project && inherit) {
		r = quota_set_project(volume, project, true, err);
		if (r < 0)
			return r;
	}
	fault_point("restore:rename");
	if (unlinkat(parent, id, AT_REMOVEDIR) < 0)
		return error_errno(err, errno, "remove the empty " POOL_RESTORE "/%s/%.64s", kind, id);
	return 0;
}

/* 1: restored, 0: nothing to restore. */
static int restore_volume(int pool_fd, const char *kind, const char *id, struct error *err)
{
	_cleanup_fd_ int waiting = volume_open(pool_fd, POOL_STASH, kind, id);
	_cleanup_fd_ int begun = volume_open(pool_fd, POOL_RESTORE, kind, id);
	_cleanup_fd_ int volume = -EBADF;
	int r = 0;

	if (waiting < 0 && begun < 0)
		return 0;
	volume = volume_open(pool_fd, POOL_SYSBOX, kind, id);
	if (volume < 0)
		return volume == -ENOENT ? 0 : error_errno(err, volume, "open the new %s volume", kind);
	if (waiting >= 0 && begun >= 0)
		return error_set(err, EEXIST, "the %s volume of sandbox %.64s is both in " POOL_STASH
				 " and in " POOL_RESTORE " of the pool: which is newer is for you to say",
				 kind, id);
	if (waiting >= 0) {
		r = check_owner(volume, waiting, kind, err);
		if (r == 0)
			r = put_aside(pool_fd, volume, id, err);
		if (r == 0)
			r = move_volume(pool_fd, POOL_STASH, POOL_RESTORE, kind, id, "restore:rename", err);
	}
	if (r == 0)
		r = finish(pool_fd, kind, id, volume, err);
	return r < 0 ? r : 1;
}

/* Each once, though it may be in both: a volume is asked for in either place. */
static int find_kinds(int pool_fd, struct strv *ret, struct error *err)
{
	static const char *const AREAS[] = { POOL_STASH, POOL_RESTORE };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(AREAS); i++) {
		_cleanup_(strv_release) struct strv names = STRV_INIT;

		r = pool_dir_names(pool_fd, AREAS[i], &names, err);
		strv_foreach (&names, k, name) {
			if (r == 0 && strv_add_new(ret, name) < 0)
				r = error_errno(err, ENOMEM, "look into the stash");
		}
	}
	return r;
}

int stash_holds(int pool_fd, const char *id, struct error *err)
{
	_cleanup_(strv_release) struct strv kinds = STRV_INIT;
	int r = find_kinds(pool_fd, &kinds, err);

	if (r < 0)
		return r;
	strv_foreach (&kinds, i, kind) {
		_cleanup_fd_ int waiting = volume_open(pool_fd, POOL_STASH, kind, id);
		_cleanup_fd_ int begun = volume_open(pool_fd, POOL_RESTORE, kind, id);

		if (waiting >= 0 || begun >= 0)
			return 1;
	}
	return 0;
}

int stash_restore(int pool_fd, const char *id, unsigned *ret_restored, struct error *err)
{
	_cleanup_(strv_release) struct strv kinds = STRV_INIT;
	unsigned restored = 0;
	int r = find_kinds(pool_fd, &kinds, err);

	strv_foreach (&kinds, i, kind) {
		if (r >= 0)
			r = restore_volume(pool_fd, kind, id, err);
		restored += r > 0;
	}
	if (r < 0)
		return r;
	*ret_restored = restored;
	return 0;
}
