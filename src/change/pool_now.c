#include "change/pool_now.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "change/change.h"
#include "sys/fsinfo.h"
#include "sys/loop.h"
#include "sys/mountinfo.h"
#include "sys/xfs.h"

void pool_now_release(struct pool_now *now)
{
	free(now->name);
	free(now->device);
	fd_closep(&now->dir_fd);
	fd_closep(&now->image_fd);
	*now = POOL_NOW_INIT;
}

/* The file system itself. */
static int read_pool(struct pool_now *now, struct error *err)
{
	struct xfs_geometry geometry;
	struct fsinfo fs;
	int r = fsinfo_fd(now->dir_fd, &fs, err);

	if (r == 0)
		r = xfs_get_geometry(now->dir_fd, &geometry, err);
	if (r < 0)
		return r;
	now->figures.data = geometry.data_bytes;
	now->figures.total = fs.total;
	now->figures.used = fs.total - MIN_OF(fs.available, fs.total);
	return 0;
}

static int read_device(const struct mount_entry *mount, struct pool_now *now, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	uint64_t sectors;
	int r;

	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", mount->major, mount->minor);
	r = file_read_at(AT_FDCWD, path, 64, &text, NULL);
	if (r < 0)
		return error_errno(err, r, "read the size of '%s'", mount->source);
	text[strcspn(text, "\n")] = '\0';
	/* Always in units of 512 bytes, whatever the device's sectors are. */
	if (u64_parse(text, &sectors) < 0 ||
	    __builtin_mul_overflow(sectors, (uint64_t)512, &now->figures.size))
		return error_set(err, EPROTO, "'%s' holds no size", path);
	now->figures.device = true;
	now->name = strdup(mount->source);
	now->device = strdup(mount->source);
	return now->name && now->device ? 0 : error_errno(err, ENOMEM, "look at the pool");
}

/* The path may by now name another file than the one that is attached. */
static int check_image(const struct mount_entry *mount, struct pool_now *now, struct error *err)
{
	struct loop_device loop;
	struct stat st;
	int r = loop_find(now->image_fd, &loop, err);

	if (r == 0 &&
	    (stat(loop.device, &st) < 0 || st.st_rdev != makedev(mount->major, mount->minor)))
		r = error_set(err, ESTALE, "it is attached to '%s' as well", loop.device);
	if (r < 0)
		return error_context(err, "'%s' is not the image behind the pool's '%s'", now->name,
				     mount->source);
	now->device = strdup(loop.device);
	return now->device ? 0 : error_errno(err, ENOMEM, "look at the pool");
}

static int read_image(const struct host *host, const struct mount_entry *mount,
		      struct pool_now *now, struct error *err)
{
	struct pool_figures *f = &now->figures;
	struct fsinfo disk;
	struct stat st;
	int r;

	now->image_fd = host_open(host, now->name, O_RDONLY | O_NONBLOCK, 0);
	if (now->image_fd < 0)
		return error_errno(err, now->image_fd, "open the pool's image '%s'", now->name);
	r = check_image(mount, now, err);
	if (r == 0)
		r = fsinfo_fd(now->image_fd, &disk, err);
	if (r < 0)
		return r;
	if (fstat(now->image_fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", now->name);
	f->size = (uint64_t)st.st_size;
	f->allocated = (uint64_t)st.st_blocks * 512;
	f->disk_total = disk.total;
	f->disk_free = disk.unreserved; /* what a file system keeps for root is no pool's */
	f->disk_type = disk.type;
	return 0;
}

static bool is_named(const char *device, const struct mount_entry *mount)
{
	struct stat st;

	return *device && stat(device, &st) == 0 && S_ISBLK(st.st_mode) &&
	       st.st_rdev == makedev(mount->major, mount->minor);
}

static int read_below(const struct host *host, const char *device, const struct mount_entry *mount,
		      struct pool_now *now, struct error *err)
{
	int r = is_named(device, mount)
			? -ENOENT
			: loop_backing_file(mount->major, mount->minor, &now->name, err);

	if (r == -ENOENT) {
		error_clear(err);
		return read_device(mount, now, err);
	}
	return r < 0 ? r : read_image(host, mount, now, err);
}

int pool_now_read(const struct host *host, const char *device, struct pool_now *ret,
		  struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	const struct mount_entry *mount;
	int r;

	if (host_is_rooted(host))
		return error_set(err, EOPNOTSUPP, "'%s' is a folder: no pool is mounted in it",
				 host->root);
	r = mount_table_read_self(&table, err);
	if (r < 0)
		return r;
	mount = mount_table_at(&table, POOL_DIR);
	if (!mount || strcmp(mount->type, "xfs") != 0)
		return error_set(err, ENOTCONN,
				 "no pool is mounted at " POOL_DIR
				 ": berth status tells what is there, berth install mounts it");
	now.dir_fd = host_open(host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	r = now.dir_fd < 0 ? error_errno(err, now.dir_fd, "open '" POOL_DIR "'")
			   : read_pool(&now, err);
	if (r == 0)
		r = read_below(host, device, mount, &now, err);
	if (r < 0)
		return r;
	now.figures.name = now.name;
	*ret = now;
	now = POOL_NOW_INIT;
	return 0;
}
