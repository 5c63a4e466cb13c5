#include "sandbox/pool_dirs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "sys/dir_names.h"

bool sandbox_id_valid(const char *id)
{
	static const char OK[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	size_t n = strlen(id);

	return n > 0 && n < 200 && strspn(id, OK) == n && id[0] != '.';
}

int pool_open(const char *pool, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = open(pool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st, up;

	if (fd < 0)
		return error_errno(err, errno, "open the pool '%s'", pool);
	if (fstat(fd, &st) < 0 || fstatat(fd, "..", &up, 0) < 0)
		return error_errno(err, errno, "look at the pool '%s'", pool);
	if (st.st_dev == up.st_dev)
		return error_set(err, ENODEV, "nothing is mounted on the pool's '%s': 'berth verify' says "
				 "more", pool);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int open_below(int pool_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(O_RDONLY | O_CLOEXEC | flags),
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	int fd = (int)syscall(SYS_openat2, pool_fd, path, &how, sizeof(how));

	if (fd >= 0)
		return fd;
	/* Linux before 5.6, or a filter that does not know the call. */
	if (errno == ENOSYS || errno == EPERM)
		fd = openat(pool_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
	return fd < 0 ? -errno : fd;
}

int pool_dir_open(int pool_fd, const char *path)
{
	return open_below(pool_fd, path, O_DIRECTORY);
}

int pool_file_open(int pool_fd, const char *path)
{
	_cleanup_fd_ int fd = open_below(pool_fd, path, O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int pool_dir_make(int pool_fd, const char *path, struct error *err)
{
	int fd = pool_dir_open(pool_fd, path);

	if (fd != -ENOENT)
		return fd < 0 ? error_errno(err, fd, "open the pool's '%s'", path) : fd;
	if (mkdirat(pool_fd, path, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make the pool's '%s'", path);
	fd = pool_dir_open(pool_fd, path);
	return fd < 0 ? error_errno(err, fd, "open the pool's '%s'", path) : fd;
}

int pool_dir_names(int pool_fd, const char *path, struct strv *ret, struct error *err)
{
	_cleanup_fd_ int fd = pool_dir_open(pool_fd, path);
	int r = fd == -ENOENT ? 0 : fd < 0 ? fd : dir_names(fd, ret);

	return r < 0 ? error_errno(err, r, "read the pool's '%s'", path) : 0;
}
