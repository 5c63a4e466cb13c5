#include "sandbox/stash_dirs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/strbuf.h"
#include "sandbox/pool_dirs.h"
#include "sys/tree_walk.h"

bool is_volume_kind(const char *name)
{
	return name[0] != '.' && strcmp(name, "rootfs") != 0 && strcmp(name, "shiftfs") != 0;
}

int volume_open(int pool_fd, const char *area, const char *kind, const char *id)
{
	_cleanup_free_ char *path = xasprintf("%s/%s/%s", area, kind, id);

	return path ? pool_dir_open(pool_fd, path) : -ENOMEM;
}

int move_entries(int from_fd, int to_fd, const char *point, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	int r = tree_walk_open_unsorted(&walk, from_fd);

	while (r == 0) {
		const char *name = tree_walk_next(&walk);

		if (!name && !tree_walk_again(&walk))
			break;
		if (!name)
			continue;
		fault_point(point);
		if (renameat2(from_fd, name, to_fd, name, RENAME_NOREPLACE) < 0)
			return error_errno(err, errno, "move a volume's '%.200s'", name);
	}
	if (r == 0)
		r = tree_walk_leave(&walk);
	return r < 0 ? error_errno(err, r, "read a volume") : 0;
}

int move_volume(int pool_fd, const char *from, const char *to, const char *kind, const char *id,
		const char *point, struct error *err)
{
	_cleanup_free_ char *source = xasprintf("%s/%s", from, kind);
	_cleanup_free_ char *target = xasprintf("%s/%s", to, kind);
	_cleanup_fd_ int source_fd = -EBADF, target_fd = -EBADF;
	int r;

	if (!source || !target)
		return error_errno(err, ENOMEM, "move a volume");
	r = pool_dir_make(pool_fd, to, err);
	if (r < 0)
		return r;
	(void)fd_close(r);
	target_fd = pool_dir_make(pool_fd, target, err);
	if (target_fd < 0)
		return target_fd;
	source_fd = pool_dir_open(pool_fd, source);
	if (source_fd < 0)
		return error_errno(err, source_fd, "open the pool's '%s'", source);
	fault_point(point);
	if (renameat2(source_fd, id, target_fd, id, RENAME_NOREPLACE) < 0)
		return error_errno(err, errno, "move the pool's '%s/%.64s' to '%s'", source, id, target);
	return 0;
}
