#include "change/pool_disk.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/units.h"
#include "change/pool_space.h"
#include "sys/blkprobe.h"
#include "sys/mountinfo.h"

/* 1: XFS; 0: nothing recognised; negative: somebody's data. */
static int judge(const char *path, const struct blkprobe *found, struct error *err)
{
	if (found->ambivalent)
		return error_set(err, EEXIST,
				 "'%s' carries the marks of more than one file system: berth "
				 "does not touch it",
				 path);
	if (found->partition_table[0])
		return error_set(err, EEXIST,
				 "'%s' has a partition table (%s): berth does not touch it; "
				 "name one of its partitions, or a blank device",
				 path, found->partition_table);
	if (!found->type[0])
		return 0;
	if (strcmp(found->type, "xfs") != 0)
		return error_set(err, EEXIST, "'%s' holds %s, not XFS: berth never formats over it",
				 path, found->type);
	if (found->damaged)
		return error_set(err, EUCLEAN,
				 "'%s' holds an XFS whose superblock is damaged: try "
				 "`xfs_repair` on a copy of it",
				 path);
	return 1;
}

/* ---- images ---- */

static int image_judge(const char *path, int fd, struct error *err)
{
	struct blkprobe found;
	int r = blkprobe_fd(fd, &found, err);

	if (r < 0)
		return error_context(err, "look into '%s'", path);
	r = judge(path, &found, err);
	if (r != 0)
		return r;
	return error_set(
		err, EEXIST,
		"'%s' is there but no file system is recognised in it: berth "
		"never makes a pool anew over it; if its first megabyte was lost, "
		"`xfs_repair` can rebuild it from a secondary superblock on a copy; move it "
		"away to start afresh",
		path);
}

int pool_image_look(const struct host *host, const char *path, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd == -ENOENT)
		return host_stat(host, path, &st, false) == 0
			       ? error_set(err, ENOENT, "'%s' is a symbolic link to nothing", path)
			       : 0;
	if (fd < 0)
		return error_errno(err, fd, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", path);
	if (S_ISBLK(st.st_mode))
		return error_set(err, EINVAL,
				 "'%s' is a block device, not an image: name it as the "
				 "pool's device",
				 path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	return image_judge(path, fd, err);
}

/* ---- devices ---- */

int pool_device_open(const struct host *host, const char *path, int flags, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, path, flags | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd == -ENOENT)
		return error_set(err, ENOENT, "there is no device '%s'", path);
	if (fd < 0)
		return error_errno(err, fd, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", path);
	if (!S_ISBLK(st.st_mode))
		return error_set(err, ENOTBLK, "'%s' is not a block device", path);
	return TAKE_FD(fd);
}

static int refuse_mounted(const char *path, dev_t device, struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	int r = mount_table_read_self(&table, err);

	for (size_t i = 0; r == 0 && i < table.len; i++) {
		const struct mount_entry *entry = &table.entries[i];

		if (entry->major == major(device) && entry->minor == minor(device))
			r = error_set(err, EBUSY, "'%s' is mounted on '%s'", path, entry->target);
	}
	return r;
}

int pool_device_refuse_used(const struct host *host, const char *path, struct error *err)
{
	_cleanup_fd_ int fd = pool_device_open(host, path, O_RDONLY, err);
	_cleanup_fd_ int exclusive = -EBADF;
	struct stat st;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", path);
	r = refuse_mounted(path, st.st_rdev, err);
	if (r < 0)
		return r;
	exclusive = host_open(host, path, O_RDONLY | O_EXCL | O_NONBLOCK, 0);
	if (exclusive == -EBUSY)
		return error_set(err, EBUSY,
				 "'%s' is in use (by a volume manager, as swap, or by another "
				 "program)",
				 path);
	return exclusive < 0 ? error_errno(err, exclusive, "open '%s'", path) : 0;
}

int pool_device_look(const struct host *host, const char *path, uint64_t *ret_size,
		     struct error *err)
{
	_cleanup_fd_ int fd = pool_device_open(host, path, O_RDONLY, err);
	char size[UNITS_MAX], min[UNITS_MAX];
	struct blkprobe found;
	int r;

	if (fd < 0)
		return fd;
	r = blkprobe_fd(fd, &found, err);
	if (r < 0)
		return error_context(err, "look into '%s'", path);
	*ret_size = found.size;
	r = judge(path, &found, err);
	if (r != 0)
		return r;
	r = pool_device_refuse_used(host, path, err);
	if (r < 0)
		return r;
	if (!found.blank)
		return error_set(
			err, EEXIST,
			"'%s' is not blank, and no file system is recognised on it: "
			"berth does not format what may be data; if it is not, zero its first "
			"and last megabyte",
			path);
	if (found.size < POOL_IMAGE_MIN)
		return error_set(err, EINVAL, "'%s' has %s, and XFS needs %s", path,
				 size_format(found.size, size), size_format(POOL_IMAGE_MIN, min));
	return 0;
}
