#include "sys/loop.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/units.h"

#define ATTACH_TRIES	 64 /* others take free devices between our asking and our attaching */
#define STATUS_TRIES	 50 /* LOOP_SET_STATUS64 is -EAGAIN while pages are written back */
#define STATUS_PAUSE_US	 20000
#define MIN_BLOCK_SIZE	 512
#define DIRECT_IO_RAISED 4096

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void device_path(unsigned number, char ret[static LOOP_PATH_MAX])
{
	(void)snprintf(ret, LOOP_PATH_MAX, "/dev/loop%u", number);
}

/* stat's device as loop_info64 has it (new_encode_dev in the kernel's kdev_t.h). */
static uint64_t encode_device(dev_t device)
{
	uint64_t maj = major(device), min = minor(device);

	return (min & 0xff) | (maj << 8) | ((min & ~(uint64_t)0xff) << 12);
}

static bool is_backed_by(const struct loop_info64 *status, const struct stat *image)
{
	return status->lo_device == encode_device(image->st_dev) &&
	       status->lo_inode == image->st_ino && status->lo_offset == 0 &&
	       status->lo_sizelimit == 0;
}

static int inspect_fd(int fd, const char *device, struct loop_device *ret,
		      struct loop_info64 *ret_status)
{
	struct loop_device info = { 0 };
	int block_size = 0;

	if (ioctl(fd, LOOP_GET_STATUS64, ret_status) < 0 || ioctl(fd, BLKSSZGET, &block_size) < 0 ||
	    ioctl(fd, BLKGETSIZE64, &info.size) < 0)
		return -errno;
	(void)snprintf(info.device, sizeof(info.device), "%s", device);
	info.direct_io = ret_status->lo_flags & LO_FLAGS_DIRECT_IO;
	info.read_only = ret_status->lo_flags & LO_FLAGS_READ_ONLY;
	info.block_size = (uint32_t)block_size;
	*ret = info;
	return 0;
}

/* What losetup shows; the kernel cuts it at 63 bytes and never uses it. */
static void name_backing_file(int image_fd, struct loop_info64 *info)
{
	char link[64], path[4096];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", image_fd);
	n = readlink(link, path, sizeof(path));
	if (n > 0)
		memcpy(info->lo_file_name, path, MIN_OF((size_t)n, (size_t)LO_NAME_SIZE - 1));
}

static int set_status(int fd, const struct loop_info64 *info)
{
	for (int i = 0; i < STATUS_TRIES; i++) {
		if (ioctl(fd, LOOP_SET_STATUS64, info) == 0)
			return 0;
		if (errno != EAGAIN)
			return -errno;
		(void)usleep(STATUS_PAUSE_US);
	}
	return -EAGAIN;
}

/* The way before Linux 5.8. Direct I/O is tried afterwards, as with the new one. */
static int bind_in_steps(int fd, int image_fd, const struct loop_config *config)
{
	int r;

	if (ioctl(fd, LOOP_SET_FD, image_fd) < 0)
		return -errno;
	r = set_status(fd, &config->info);
	if (r == 0 && config->block_size != MIN_BLOCK_SIZE &&
	    ioctl(fd, LOOP_SET_BLOCK_SIZE, (unsigned long)config->block_size) < 0)
		r = -errno;
	if (r == 0)
		(void)ioctl(fd, LOOP_SET_DIRECT_IO, 1UL);
	if (r < 0)
		(void)ioctl(fd, LOOP_CLR_FD, 0);
	return r;
}

static int bind_device(int fd, int image_fd, uint32_t block_size)
{
	struct loop_config config = { .fd = (uint32_t)image_fd, .block_size = block_size };

	name_backing_file(image_fd, &config.info);
	config.info.lo_flags = LO_FLAGS_DIRECT_IO;
	if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return 0;
	/* Block size and descriptor are good: it is the request itself that is unknown. */
	if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)
		return -errno;
	config.info.lo_flags = 0;
	return bind_in_steps(fd, image_fd, &config);
}

/* Where the disk beneath has bigger sectors, direct I/O works only at that size. */
static void raise_block_size(int fd)
{
	if (ioctl(fd, LOOP_SET_BLOCK_SIZE, (unsigned long)DIRECT_IO_RAISED) < 0)
		return;
	if (ioctl(fd, LOOP_SET_DIRECT_IO, 1UL) < 0)
		(void)ioctl(fd, LOOP_SET_BLOCK_SIZE, (unsigned long)MIN_BLOCK_SIZE);
}

/* -EBUSY: somebody was faster. Any other failure after binding takes the binding back. */
static int attach_to(const char *device, int image_fd, const struct stat *image,
		     uint32_t block_size, struct loop_device *ret)
{
	_cleanup_fd_ int fd = open(device, O_RDWR | O_CLOEXEC);
	struct loop_info64 status;
	struct loop_device info;
	int r;

	if (fd < 0)
		return -errno;
	r = bind_device(fd, image_fd, block_size ? block_size : MIN_BLOCK_SIZE);
	if (r < 0)
		return r;
	r = inspect_fd(fd, device, &info, &status);
	if (r == 0 && !info.direct_io && block_size == 0) {
		raise_block_size(fd);
		r = inspect_fd(fd, device, &info, &status);
	}
	if (r == 0 && !is_backed_by(&status, image))
		r = -ESTALE;
	if (r < 0) {
		(void)ioctl(fd, LOOP_CLR_FD, 0);
		return r;
	}
	*ret = info;
	return 0;
}

static int attach_to_free(int image_fd, const struct stat *image, uint32_t block_size,
			  struct loop_device *ret, struct error *err)
{
	_cleanup_fd_ int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char device[LOOP_PATH_MAX];

	if (control < 0)
		return error_errno(err, errno,
				   "open '/dev/loop-control' (is the loop driver loaded?)");
	for (int i = 0; i < ATTACH_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		int r;

		if (number < 0)
			return error_errno(err, errno, "find a free loop device");
		device_path((unsigned)number, device);
		r = attach_to(device, image_fd, image, block_size, ret);
		if (r == 0)
			return 0;
		if (r != -EBUSY)
			return error_errno(err, r, "attach the image to '%s'", device);
	}
	return error_set(err, EBUSY,
			 "attach the image to a loop device: others took %d of them first",
			 ATTACH_TRIES);
}

int loop_attach(int image_fd, uint32_t block_size, struct loop_device *ret, struct error *err)
{
	struct stat image;

	if (block_size && (block_size < MIN_BLOCK_SIZE || (block_size & (block_size - 1)) ||
			   block_size > (uint32_t)sysconf(_SC_PAGESIZE)))
		return error_set(err, EINVAL,
				 "attach the image: no loop device has blocks of %u bytes",
				 block_size);
	if (fstat(image_fd, &image) < 0)
		return error_errno(err, errno, "look at the image");
	if (!S_ISREG(image.st_mode))
		return error_set(err, EINVAL, "attach the image: not a regular file");
	return attach_to_free(image_fd, &image, block_size, ret, err);
}

static int open_device(const char *device, struct error *err)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? error_errno(err, errno, "open '%s'", device) : fd;
}

/* 1: found, 0: another one, or nothing attached (any more). */
static int try_device(unsigned number, const struct stat *image, struct loop_device *ret)
{
	_cleanup_fd_ int fd = -EBADF;
	struct loop_info64 status;
	struct loop_device info;
	char device[LOOP_PATH_MAX];
	int r;

	device_path(number, device);
	fd = open(device, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO || errno == ENODEV ? 0 : -errno;
	r = inspect_fd(fd, device, &info, &status);
	if (r == -ENXIO)
		return 0;
	if (r < 0)
		return r;
	if (!is_backed_by(&status, image))
		return 0;
	*ret = info;
	return 1;
}

/* "loop12" and attached, as /sys shows it: the free ones need not be opened. */
static bool is_attached(int dir, const char *name, uint64_t *ret_number)
{
	char path[NAME_MAX + 32];

	if (strncmp(name, "loop", 4) != 0 || u64_parse(name + 4, ret_number) < 0 ||
	    *ret_number > UINT32_MAX)
		return false;
	(void)snprintf(path, sizeof(path), "%s/loop/backing_file", name);
	return faccessat(dir, path, F_OK, 0) == 0;
}

int loop_find(int image_fd, struct loop_device *ret, struct error *err)
{
	_cleanup_(closedirp) DIR *dir = opendir("/sys/block");
	const struct dirent *entry;
	struct stat image;
	uint64_t number;

	if (!dir)
		return error_errno(err, errno, "list '/sys/block'");
	if (fstat(image_fd, &image) < 0)
		return error_errno(err, errno, "look at the image");
	while ((errno = 0, entry = readdir(dir))) {
		int r;

		if (!is_attached(dirfd(dir), entry->d_name, &number))
			continue;
		r = try_device((unsigned)number, &image, ret);
		if (r < 0)
			return error_errno(err, r, "look at '/dev/%s'", entry->d_name);
		if (r)
			return 0;
	}
	if (errno)
		return error_errno(err, errno, "list '/sys/block'");
	return error_set(err, ENOENT, "no loop device is attached to the image");
}

int loop_backing_file(unsigned device_major, unsigned device_minor, char **ret_path,
		      struct error *err)
{
	_cleanup_free_ char *path = NULL;
	char name[96];
	size_t len;
	int r;

	(void)snprintf(name, sizeof(name), "/sys/dev/block/%u:%u/loop/backing_file", device_major,
		       device_minor);
	r = file_read_at(AT_FDCWD, name, PATH_MAX + 2, &path, &len);
	if (r < 0)
		return error_errno(err, r, "find the image of the block device %u:%u", device_major,
				   device_minor);
	if (len > 0 && path[len - 1] == '\n')
		path[--len] = '\0';
	if (path[0] != '/' || strlen(path) != len)
		return error_set(err, EPROTO, "'%s' names no file", name);
	*ret_path = TAKE_PTR(path);
	return 0;
}

int loop_inspect(const char *device, struct loop_device *ret, struct error *err)
{
	_cleanup_fd_ int fd = open_device(device, err);
	struct loop_info64 status;
	int r;

	if (fd < 0)
		return fd;
	if (strlen(device) >= LOOP_PATH_MAX)
		return error_set(err, ENAMETOOLONG, "'%s' is no loop device's name", device);
	r = inspect_fd(fd, device, ret, &status);
	return r < 0 ? error_errno(err, r, "look at '%s'", device) : 0;
}

static int device_ioctl(const char *device, unsigned long request, unsigned long arg,
			const char *what, struct error *err)
{
	_cleanup_fd_ int fd = open_device(device, err);

	if (fd < 0)
		return fd;
	if (ioctl(fd, request, arg) < 0)
		return error_errno(err, errno, "%s '%s'", what, device);
	return 0;
}

int loop_set_direct_io(const char *device, bool on, struct error *err)
{
	return device_ioctl(device, LOOP_SET_DIRECT_IO, on,
			    on ? "switch on direct I/O of" : "switch off direct I/O of", err);
}

int loop_refresh_size(const char *device, struct error *err)
{
	return device_ioctl(device, LOOP_SET_CAPACITY, 0, "refresh the size of", err);
}

int loop_detach(const char *device, struct error *err)
{
	return device_ioctl(device, LOOP_CLR_FD, 0, "detach", err);
}
