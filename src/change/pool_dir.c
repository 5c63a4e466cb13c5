/*
 * A directory of the mounted pool. want: {"mode", "uid", "gid"} (the latter two 0 by default),
 * which it has from its birth: it is made under another name and renamed. Daemons set their own
 * afterwards, and an existing directory is left as it is. {"place"}: where what is in it goes back to;
 * {"into"}: it is the stash, and goes back to that part of the pool.
 */
#include <fcntl.h>

#include "base/fault.h"
#include "change/change.h"
#include "change/docker_data.h"
#include "change/mounted.h"
#include "change/move.h"
#include "change/tree.h"
#include "sandbox/stash.h"

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	struct stat st;
	int r = mounted_pool(ctx->host, change->target, err);

	if (r <= 0)
		return r;
	r = host_stat(ctx->host, change->target, &st, false);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, r, "look at '%s'", change->target);
	return S_ISDIR(st.st_mode)
		       ? 1
		       : error_set(err, ENOTDIR, "'%s' is not a directory", change->target);
}

static mode_t wanted_mode(const json_t *want)
{
	return (mode_t)json_get_int(want, "mode", 0755) & 07777;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "+ directory, mode %04o\n", wanted_mode(change->want));
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	int r = holds(ctx, change, err);

	if (r < 0)
		return r;
	*ret_before = json_pack("{s:b}", "existed", r);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

static int make_at(int dir, const char *name, const json_t *want)
{
	_cleanup_fd_ int fd = -EBADF;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fault_point("pool-dir:made");
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, (uid_t)json_get_int(want, "uid", 0), (gid_t)json_get_int(want, "gid", 0)) <
		    0 &&
	    geteuid() == 0)
		return -errno;
	return fchmod(fd, wanted_mode(want)) < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make(const struct host *host, const char *path, const json_t *want, struct error *err)
{
	_cleanup_free_ char *fresh = xasprintf("%s.berth-new", path);
	_cleanup_fd_ int dir = -EBADF;
	const char *name;
	int r = -ENOMEM;

	if (fresh) {
		dir = host_open_parent(host, fresh, &name);
		r = dir < 0 ? dir : make_at(dir, name, want);
	}
	if (r < 0)
		return error_errno(err, r, "make the directory '%s'", path);
	return host_rename(host, fresh, path, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	int r = mounted_pool(ctx->host, change->target, err);

	(void)before;
	if (r == 0)
		return error_set(err, ENOTCONN,
				 "the pool is not mounted on '%s': '%s' is not made on "
				 "the disk below it",
				 POOL_DIR, change->target);
	if (r > 0)
		r = holds(ctx, change, err);
	if (r == 0)
		r = make(ctx->host, change->target, change->want, err);
	if (r < 0)
		return r;
	*ret_after = json_object();
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

/*
 * Anything but what a daemon makes by itself: Docker's skeleton, empty directories of Sysbox's. When in
 * doubt it is somebody's.
 */
static int worth_keeping(const struct host *host, const char *path, struct error *err)
{
	struct tree_usage usage;
	int r = docker_data_is_skeleton(host, path);

	if (r > 0)
		return 0;
	if (r == 0)
		r = tree_usage(host, path, &usage, err);
	if (r < 0)
		return error_errno(err, r, "look into '%s'", path);
	return usage.files > 0;
}

/* Out of the stash, to where Sysbox would look for it: the pool's other parts go back after this one. */
static int give_back_stash(struct change_context *ctx, const char *stash, struct error *err)
{
	_cleanup_fd_ int pool = host_open(ctx->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);

	if (pool < 0)
		return error_errno(err, pool, "open '%s' to empty '%s'", POOL_DIR, stash);
	return stash_give_back(pool, err);
}

/* Tenants' data back to its place, then whatever daemons left. 1: gone now, 0: was not there. */
static int empty_out(struct change_context *ctx, const struct change_record *record,
		     struct error *err)
{
	const char *place = json_get_string(record->want, "place");
	_cleanup_free_ char *back = xasprintf("%s.berth-back", record->target);
	int r;

	if (!back)
		return error_errno(err, ENOMEM, "empty '%s'", record->target);
	r = json_get_string(record->want, "into") ? give_back_stash(ctx, record->target, err) : 0;
	if (r < 0)
		return r;
	/* Cut off when the data had been copied back, but was not in its place yet. */
	if (place && host_exists(ctx->host, back))
		return move_back(ctx, record->target, place, err);
	if (!host_exists(ctx->host, record->target))
		return 0;
	r = worth_keeping(ctx->host, record->target, err);
	if (r > 0 && place)
		r = move_back(ctx, record->target, place, err);
	if (r >= 0)
		r = tree_remove(ctx->host, record->target, err);
	return r < 0 ? r : 1;
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_free_ char *fresh = xasprintf("%s.berth-new", record->target);
	int r = mounted_pool(ctx->host, record->target, err);

	*ret = UNDO_NOTHING;
	if (r < 0 || json_get_bool(record->before, "existed", false))
		return MIN_OF(r, 0);
	if (r == 0 && host_exists(ctx->host, record->target)) {
		strbuf_printf(why, "the pool is not mounted: '%s' is not looked into",
			      record->target);
		*ret = UNDO_LEFT;
		return 0;
	}
	if (fresh)
		(void)host_rmdir(ctx->host, fresh);
	fault_point("pool-dir:remove");
	r = empty_out(ctx, record, err);
	if (r > 0)
		*ret = UNDO_DONE;
	return MIN_OF(r, 0);
}

const struct change_kind change_pool_dir = {
	.name = "pool-dir",
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
