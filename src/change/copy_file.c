#include "change/copy_file.h"

#include <fcntl.h>

#include "base/fault.h"

static int stream(int from, int to)
{
	char chunk[65536];

	for (;;) {
		ssize_t n = read(from, chunk, sizeof(chunk));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = file_write_all(to, chunk, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_into(int from, int dir, const char *temp, const char *target, mode_t mode,
		     struct error *err)
{
	_cleanup_fd_ int to = -EBADF;
	int r;

	(void)unlinkat(dir, temp, 0);
	to = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
	if (to < 0)
		return error_errno(err, errno, "make '%s'", target);
	fault_point("copy:temp");
	r = stream(from, to);
	if (r == 0 && (fchmod(to, mode) < 0 || fsync(to) < 0))
		r = -errno;
	return r < 0 ? error_errno(err, r, "write '%s'", target) : 0;
}

int copy_file_put(const struct host *host, int from, const char *target, mode_t mode,
		  struct error *err)
{
	const char *slash = strrchr(target, '/');
	_cleanup_free_ char *parent =
		strndup(target, slash == target ? 1 : (size_t)(slash - target));
	_cleanup_free_ char *temp = xasprintf(".%s.berth-tmp", slash + 1);
	_cleanup_fd_ int dir = -EBADF;
	int r;

	if (!parent || !temp)
		return error_errno(err, ENOMEM, "copy to '%s'", target);
	r = host_mkdirs(host, parent, 0755, NULL, err);
	if (r < 0)
		return r;
	dir = host_open(host, parent, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return error_errno(err, dir, "open '%s'", parent);
	r = copy_into(from, dir, temp, target, mode, err);
	if (r < 0) {
		(void)unlinkat(dir, temp, 0);
		return r;
	}
	fault_point("copy:rename");
	if (renameat(dir, temp, dir, slash + 1) < 0 || fsync(dir) < 0)
		return error_errno(err, errno, "put '%s' in place", target);
	fault_point("copy:done");
	return 0;
}
