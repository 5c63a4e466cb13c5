/*
 * An XFS file system in an image or on a device.
 *
 * want: {"device": bool, "size": bytes, "allocate": "auto"|"full"|"sparse", "reserve": bytes,
 * "uuid"}; the UUID is chosen when planning, so that berth knows its own work again after a crash.
 * Size, allocation and reserve are an image's.
 *
 * An image is made as <path>.berth-new and renamed when it is formatted, on the disk and read back:
 * a file at the final path is never unformatted. A device is formatted only while it is blank;
 * traces of our own half-made file system (told by the UUID) are zeroed first after a crash,
 * anything else is refused.
 */
#include <fcntl.h>

#include "base/fault.h"
#include "base/units.h"
#include "change/change.h"
#include "change/pool_disk.h"
#include "change/pool_space.h"
#include "change/xfs_format.h"
#include "sys/blkprobe.h"
#include "sys/loop.h"

#define BLOCK 4096

static bool is_device(const json_t *want)
{
	return json_get_bool(want, "device", false);
}

static uint64_t number(const json_t *want, const char *key)
{
	return (uint64_t)MAX_OF(json_get_int(want, key, 0), 0);
}

static const char *uuid_of(const json_t *want)
{
	const char *uuid = json_get_string(want, "uuid");

	return uuid ? uuid : "";
}

static char *fresh_name(const char *path)
{
	return xasprintf("%s.berth-new", path);
}

/* What a leftover of an earlier try takes: it goes before a new one is made. */
static uint64_t left_over(const struct host *host, const char *path)
{
	_cleanup_free_ char *fresh = fresh_name(path);
	struct stat st;

	return fresh && host_stat(host, fresh, &st, false) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* 1: allocate in full, 0: sparse; *ret_fs is the disk below. */
static int choose(const struct host *host, const struct change *change, struct fsinfo *ret_fs,
		  struct error *err)
{
	const char *mode = json_get_string(change->want, "allocate");
	int r = pool_space(host, change->target, ret_fs, err);

	if (r < 0)
		return r;
	ret_fs->available += left_over(host, change->target);
	return pool_space_choose(change->target, mode ? mode : "auto", number(change->want, "size"),
				 number(change->want, "reserve"), ret_fs, err);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	struct fsinfo fs;
	uint64_t size;
	int r;

	if (is_device(change->want))
		return pool_device_look(ctx->host, change->target, &size, err);
	r = pool_image_look(ctx->host, change->target, err);
	if (r != 0)
		return r;
	r = choose(ctx->host, change, &fs, err);
	return r < 0 ? r : 0;
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	char size[UNITS_MAX], available[UNITS_MAX];
	uint64_t bytes = number(change->want, "size");
	struct fsinfo fs;
	int r;

	if (is_device(change->want)) {
		r = pool_device_look(ctx->host, change->target, &bytes, err);
		if (r < 0)
			return r;
		strbuf_printf(out, "+ XFS on all of it (%s, %s)", size_format(bytes, size),
			      r ? "there already" : "blank");
	} else {
		r = choose(ctx->host, change, &fs, err);
		if (r < 0)
			return r;
		strbuf_printf(out, "+ XFS, %s, %s (%s free on %s)", size_format(bytes, size),
			      r ? "allocated in full" : "sparse",
			      size_format(fs.available, available), fs.type);
	}
	strbuf_printf(out, ", project quotas, %d-byte sectors, uuid %s\n", BLOCK,
		      uuid_of(change->want));
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	uint64_t size = 0;
	int r = is_device(change->want) ? pool_device_look(ctx->host, change->target, &size, err)
					: pool_image_look(ctx->host, change->target, err);

	if (r < 0)
		return r;
	*ret_before = json_pack("{s:b}", "existed", r);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

/* ---- image ---- */

static int allocate(int fd, const char *path, uint64_t size, bool full, bool must, bool *ret_full,
		    struct error *err)
{
	off_t end = (off_t)(size - size % BLOCK);

	*ret_full = full;
	if (full && fallocate(fd, 0, 0, end) < 0) {
		if (must || errno != EOPNOTSUPP)
			return error_errno(err, errno, "allocate '%s'", path);
		*ret_full = false; /* a file system that cannot: then as the image fills */
	}
	if (!*ret_full && ftruncate(fd, end) < 0)
		return error_errno(err, errno, "size '%s'", path);
	return fsync(fd) < 0 ? error_errno(err, errno, "sync '%s'", path) : 0;
}

static int make_file(struct change_context *ctx, const struct change *change, const char *fresh,
		     bool *ret_full, struct error *err)
{
	const char *mode = json_get_string(change->want, "allocate");
	_cleanup_fd_ int fd = -EBADF;
	struct fsinfo fs;
	int r = host_remove(ctx->host, fresh, err);
	int full = r < 0 ? r : choose(ctx->host, change, &fs, err);

	if (full < 0)
		return full;
	fd = host_open(ctx->host, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_errno(err, fd, "make '%s'", fresh);
	fault_point("pool:created");
	r = allocate(fd, fresh, number(change->want, "size"), full,
		     mode && strcmp(mode, "full") == 0, ret_full, err);
	fault_point("pool:allocated");
	return r;
}

/* Is our XFS really there, and on the disk? */
static int prove(int fd, const char *path, const char *uuid, struct error *err)
{
	int r = fsync(fd) < 0 ? error_errno(err, errno, "sync '%s'", path)
			      : xfs_is_ours(fd, uuid, err);

	if (r < 0)
		return r;
	return r ? 0
		 : error_set(err, EIO,
			     "mkfs.xfs ended well, but there is no whole XFS with the UUID "
			     "%s in '%s'",
			     uuid, path);
}

static int make_image(struct change_context *ctx, const struct change *change, bool *ret_full,
		      struct error *err)
{
	_cleanup_free_ char *fresh = fresh_name(change->target);
	_cleanup_fd_ int fd = -EBADF;
	int r = fresh ? make_file(ctx, change, fresh, ret_full, err)
		      : error_errno(err, ENOMEM, "make '%s'", change->target);

	if (r == 0)
		r = xfs_format(ctx->host, fresh, uuid_of(change->want), err);
	fault_point("pool:formatted");
	if (r == 0) {
		fd = host_open(ctx->host, fresh, O_RDWR | O_NOFOLLOW, 0);
		r = fd < 0 ? error_errno(err, fd, "open '%s'", fresh)
			   : prove(fd, fresh, uuid_of(change->want), err);
	}
	if (r == 0)
		return host_rename(ctx->host, fresh, change->target, err);
	if (fresh)
		(void)host_remove(ctx->host, fresh, NULL);
	return r;
}

static int apply_image(struct change_context *ctx, const struct change *change, bool *ret_full,
		       struct error *err)
{
	struct stat st;
	int r = pool_image_look(ctx->host, change->target, err);

	if (r == 0) {
		progress_activityf(ctx->progress, "making %s", change->target);
		return make_image(ctx, change, ret_full, err);
	}
	/* Renamed already, before a cut. */
	if (r > 0)
		r = host_stat(ctx->host, change->target, &st, true);
	if (r == 0)
		*ret_full = (uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size;
	return r < 0 ? error_context(err, "make the pool") : 0;
}

/* ---- device ---- */

/* 1: to be formatted (blank now); 0: our whole XFS is there. */
static int ready_device(struct change_context *ctx, const struct change *change, struct error *err)
{
	const char *uuid = uuid_of(change->want);
	_cleanup_fd_ int fd = pool_device_open(ctx->host, change->target, O_RDWR, err);
	uint64_t size;
	int r = fd < 0 ? fd : xfs_is_ours(fd, uuid, err);

	int used = r < 0 ? r : pool_device_refuse_used(ctx->host, change->target, err);

	if (r > 0 && used == -EBUSY) { /* somebody mounted it: then it is whole */
		error_clear(err);
		return 0;
	}
	if (r > 0) /* of a try that was cut off: all of it, or just the superblock? */
		return xfs_check(ctx->host, change->target, err);
	r = used;
	if (r == 0)
		r = xfs_is_half_made(fd, uuid, err);
	if (r > 0)
		r = xfs_wipe(fd, err);
	if (r == 0)
		r = pool_device_look(ctx->host, change->target, &size, err);
	if (r > 0)
		return error_set(err, EEXIST, "'%s' holds another XFS by now", change->target);
	return r < 0 ? r : 1;
}

static int apply_device(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	int r = ready_device(ctx, change, err);

	if (r <= 0)
		return r;
	progress_activityf(ctx->progress, "formatting %s", change->target);
	fault_point("pool:device");
	r = xfs_format(ctx->host, change->target, uuid_of(change->want), err);
	fault_point("pool:formatted");
	if (r < 0)
		return r;
	fd = pool_device_open(ctx->host, change->target, O_RDWR, err);
	return fd < 0 ? fd : prove(fd, change->target, uuid_of(change->want), err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	bool full = true;
	int r = is_device(change->want) ? apply_device(ctx, change, err)
					: apply_image(ctx, change, &full, err);

	(void)before;
	if (r < 0)
		return r;
	*ret_after = json_pack("{s:s, s:s}", "uuid", uuid_of(change->want), "allocated",
			       full ? "full" : "sparse");
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

/* ---- undo ---- */

static int leave(enum undo_outcome *ret, struct strbuf *why, const char *path, const char *reason)
{
	*ret = UNDO_LEFT;
	strbuf_printf(why, "%s %s", path, reason);
	return 0;
}

static int undo_image(struct change_context *ctx, const struct change_record *record,
		      enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_free_ char *fresh = fresh_name(record->target);
	_cleanup_fd_ int fd = host_open(ctx->host, record->target, O_RDONLY | O_NONBLOCK, 0);
	struct loop_device loop;
	int r;

	if (fresh) {
		r = host_remove(ctx->host, fresh, err);
		if (r < 0)
			return r;
	}
	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? error_errno(err, fd, "open '%s'", record->target)
		   : xfs_is_ours(fd, uuid_of(record->want), err);
	if (r < 0)
		return r;
	if (r == 0)
		return leave(ret, why, record->target, "does not hold the file system berth made");
	r = loop_find(fd, &loop, err);
	if (r == 0)
		return leave(ret, why, record->target, "is still attached to a loop device");
	if (r != -ENOENT)
		return error_context(err, "find out whether '%s' is in use", record->target);
	error_clear(err);
	*ret = UNDO_DONE;
	return host_remove(ctx->host, record->target, err);
}

static int undo_device(struct change_context *ctx, const struct change_record *record,
		       enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const char *uuid = uuid_of(record->want);
	_cleanup_fd_ int fd = pool_device_open(ctx->host, record->target, O_RDWR, err);
	struct blkprobe found;
	int r;

	if (fd < 0) {
		error_clear(err);
		return leave(ret, why, record->target, "cannot be opened as a device any more");
	}
	r = blkprobe_fd(fd, &found, err);
	if (r < 0 || (found.blank && !found.type[0]))
		return r;
	r = xfs_is_ours(fd, uuid, err);
	if (r == 0)
		r = xfs_is_half_made(fd, uuid, err);
	if (r == 0)
		return leave(ret, why, record->target, "does not hold the file system berth made");
	if (r > 0)
		r = pool_device_refuse_used(ctx->host, record->target, err);
	if (r == -EBUSY) {
		error_clear(err);
		return leave(ret, why, record->target, "is still in use");
	}
	if (r < 0)
		return r;
	fault_point("pool:wipe");
	*ret = UNDO_DONE;
	return xfs_wipe(fd, err);
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	*ret = UNDO_NOTHING;
	if (json_get_bool(record->before, "existed", false))
		return 0;
	return is_device(record->want) ? undo_device(ctx, record, ret, why, err)
				       : undo_image(ctx, record, ret, why, err);
}

const struct change_kind change_pool = {
	.name = "pool",
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
