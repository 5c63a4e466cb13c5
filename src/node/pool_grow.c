#include "node/pool_grow.h"

#include <fcntl.h>

#include "base/fault.h"
#include "base/units.h"
#include "spec/spec.h"
#include "sys/loop.h"
#include "sys/xfs.h"

/* The new part of the image; what was there stays as it is. */
static int extend(int fd, const struct pool_figures *f, uint64_t target, int allocate,
		  struct error *err)
{
	off_t from = (off_t)f->size, more = (off_t)(target - f->size);
	int code = EOPNOTSUPP;

	if (allocate != POOL_ALLOCATE_SPARSE)
		code = fallocate(fd, 0, from, more) < 0 ? errno : 0;
	if (code == EOPNOTSUPP && allocate != POOL_ALLOCATE_FULL)
		code = ftruncate(fd, (off_t)target) < 0 ? errno : 0;
	if (code == 0 && fsync(fd) < 0)
		code = errno;
	if (code == 0)
		return 0;
	/* What a half allocation left: no device has seen it yet, and others need the space. */
	if (ftruncate(fd, from) < 0)
		return error_errno(err, code, "extend '%s' (and its new part could not be taken off again)",
				   f->name);
	return error_errno(err, code, "extend '%s'", f->name);
}

static int extend_image(const struct pool_now *now, uint64_t target, int allocate,
			struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	char link[64];

	if (target <= now->figures.size)
		return 0; /* of a growth that was cut off */
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", now->image_fd);
	fd = open(link, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "open '%s' to extend it", now->name);
	return extend(fd, &now->figures, target, allocate, err);
}

/* The loop device sees the image's new end only when it is told to look. */
static int extend_loop(const char *device, uint64_t target, struct error *err)
{
	char has[UNITS_MAX], wanted[UNITS_MAX];
	struct loop_device loop;
	int r = loop_refresh_size(device, err);

	if (r == 0)
		r = loop_inspect(device, &loop, err);
	if (r == 0 && loop.size < target)
		r = error_set(err, EIO, "'%s' has %s and not the %s of its image", device,
			      size_format(loop.size, has), size_format(target, wanted));
	return r;
}

static int extend_xfs(const struct pool_now *now, uint64_t target, struct error *err)
{
	char has[UNITS_MAX], wanted[UNITS_MAX];
	struct xfs_geometry geometry;
	int r = xfs_grow(now->dir_fd, target, err);

	fault_point("pool-grow:grown");
	if (r == 0)
		r = xfs_get_geometry(now->dir_fd, &geometry, err);
	if (r == 0 && geometry.data_bytes + POOL_SLACK <= target)
		r = error_set(err, EIO, "XFS says that it grew, and has %s, not %s",
			      size_format(geometry.data_bytes, has), size_format(target, wanted));
	return r;
}

int pool_grow(const struct pool_now *now, uint64_t target, int allocate, struct error *err)
{
	int r = 0;

	if (!now->figures.device) {
		r = extend_image(now, target, allocate, err);
		fault_point("pool-grow:extended");
		if (r == 0)
			r = extend_loop(now->device, target, err);
		fault_point("pool-grow:capacity");
	}
	if (r == 0)
		r = extend_xfs(now, target, err);
	return r < 0 ? error_context(err, "grow the pool") : 0;
}
