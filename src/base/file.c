#include "base/file.h"

#include <fcntl.h>
#include <limits.h>

#include "base/fault.h"
#include "base/strbuf.h"

int file_read_fd(int fd, size_t cap, char **ret_data, size_t *ret_len)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;
	char chunk[16384];
	char *data;
	size_t len;

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (sb.len + (size_t)n > cap)
			return -EFBIG;
		strbuf_add(&sb, chunk, (size_t)n);
	}
	len = sb.len;
	data = strbuf_steal(&sb);
	if (!data)
		return -ENOMEM;
	if (ret_len)
		*ret_len = len;
	*ret_data = data;
	return 0;
}

int file_read_at(int dirfd, const char *name, size_t cap, char **ret_data, size_t *ret_len)
{
	/* O_NONBLOCK: a FIFO in a file's place must not hang us. */
	_cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return file_read_fd(fd, cap, ret_data, ret_len);
}

int file_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int temp_name(const char *name, char buf[static NAME_MAX + 1])
{
	int n = snprintf(buf, NAME_MAX + 1, ".%s.berth-tmp", name);

	return n < 0 || n > NAME_MAX ? -ENAMETOOLONG : 0;
}

static int write_temp(int dirfd, const char *temp, const void *data, size_t len,
		      const struct file_attrs *attrs)
{
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (unlinkat(dirfd, temp, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	fault_point("file:temp");
	r = file_write_all(fd, data, len);
	if (r < 0)
		return r;
	/* Rooted hosts are written by ordinary users in tests: ownership only where it differs. */
	if ((attrs->uid != geteuid() || attrs->gid != getegid()) &&
	    fchown(fd, attrs->uid, attrs->gid) < 0 && geteuid() == 0)
		return -errno;
	if (fchmod(fd, attrs->mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_write_atomic_at(int dirfd, const char *name, const void *data, size_t len,
			 const struct file_attrs *attrs, struct error *err)
{
	char temp[NAME_MAX + 1];
	int r = temp_name(name, temp);

	if (r == 0)
		r = write_temp(dirfd, temp, data, len, attrs);
	if (r < 0) {
		if (r != -ENAMETOOLONG)
			(void)unlinkat(dirfd, temp, 0);
		return error_errno(err, r, "write '%s'", name);
	}
	fault_point("file:rename");
	if (renameat(dirfd, temp, dirfd, name) < 0) {
		r = -errno;
		(void)unlinkat(dirfd, temp, 0);
		return error_errno(err, r, "put '%s' in place", name);
	}
	if (fsync(dirfd) < 0)
		return error_errno(err, errno, "sync the directory of '%s'", name);
	fault_point("file:done");
	return 0;
}

int file_same_content(int a, int b)
{
	char chunk_a[32768], chunk_b[32768];

	for (;;) {
		ssize_t n = read(a, chunk_a, sizeof(chunk_a));
		ssize_t m = n < 0 ? 0 : read(b, chunk_b, n ? (size_t)n : 1);

		if (n < 0 || m < 0)
			return -errno;
		if (m != n || memcmp(chunk_a, chunk_b, (size_t)n) != 0)
			return 0;
		if (n == 0)
			return 1;
	}
}

void file_drop_temp_at(int dirfd, const char *name)
{
	char temp[NAME_MAX + 1];

	if (temp_name(name, temp) == 0)
		(void)unlinkat(dirfd, temp, 0);
}

int file_remove_at(int dirfd, const char *name, struct error *err)
{
	file_drop_temp_at(dirfd, name);
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "remove '%s'", name);
	if (fsync(dirfd) < 0)
		return error_errno(err, errno, "sync the directory of '%s'", name);
	fault_point("file:removed");
	return 0;
}
