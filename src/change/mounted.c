#include "change/mounted.h"

#include <fcntl.h>
#include <limits.h>

#include "base/strbuf.h"
#include "change/change.h"
#include "sys/mountinfo.h"

/* The path as the kernel sees it, free of symlinks: 0 and *ret NULL when nothing is there. */
static int canonical(const struct host *host, const char *path, char **ret)
{
	_cleanup_fd_ int fd = host_open(host, path, O_PATH | O_NOFOLLOW, 0);
	char link[64], buf[PATH_MAX];
	ssize_t n;

	*ret = NULL;
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(buf))
		return -ENAMETOOLONG;
	*ret = strndup(buf, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

static int look(const struct host *host, const char *path, struct mount_table *ret, char **ret_path,
		struct error *err)
{
	int r = canonical(host, path, ret_path);

	if (r < 0)
		return error_errno(err, r, "find out what is mounted on '%s'", path);
	return *ret_path ? mount_table_read_self(ret, err) : 0;
}

int mounted_at(const struct host *host, const char *path, struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_free_ char *where = NULL;
	int r = look(host, path, &table, &where, err);

	if (r < 0)
		return r;
	return where && mount_table_at(&table, where) != NULL;
}

int mounted_below(const struct host *host, const char *path, char **ret_where, struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_free_ char *where = NULL;
	int r = look(host, path, &table, &where, err);
	size_t n;

	if (r < 0 || !where)
		return r;
	n = strlen(where);
	for (size_t i = 0; i < table.len; i++) {
		const char *target = table.entries[i].target;

		if (strncmp(target, where, n) != 0 || target[n] != '/')
			continue;
		*ret_where = strdup(target);
		return *ret_where ? 1 : error_errno(err, ENOMEM, "look below '%s'", path);
	}
	return 0;
}

int mounted_pool(const struct host *host, const char *path, struct error *err)
{
	if (host_is_rooted(host) || strncmp(path, POOL_DIR "/", strlen(POOL_DIR "/")) != 0)
		return 1;
	return mounted_at(host, POOL_DIR, err);
}

int mounted_refuse(const struct host *host, const char *path, struct error *err)
{
	_cleanup_free_ char *where = NULL;
	int r = mounted_at(host, path, err);

	if (r > 0)
		return error_set(err, EBUSY, "something is mounted on '%s'", path);
	if (r == 0)
		r = mounted_below(host, path, &where, err);
	if (r > 0)
		return error_set(err, EBUSY,
				 "'%s' is mounted below '%s': stop what uses it (running "
				 "containers, most likely), or umount it where nothing does, and run berth "
				 "again",
				 where, path);
	return r;
}
