#include "change/tree.h"

#include <fcntl.h>

#include "base/fault.h"
#include "change/mounted.h"
#include "sys/tree_remove.h"
#include "sys/tree_walk.h"

#define TRIES_MAX 50

static int open_top(const struct host *host, const char *path)
{
	return host_open(host, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

/* ---- usage ---- */

static int count(struct inode_map *seen, const struct stat *st, struct tree_usage *usage)
{
	int r = 1;

	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		r = inode_map_add(seen, inode_id_of(st), inode_id_of(st), NULL);
	if (r > 0) {
		usage->bytes += (uint64_t)st->st_blocks * 512;
		usage->inodes++;
		usage->files += !S_ISDIR(st->st_mode);
	}
	return r;
}

static int count_entry(struct tree_walk *walk, struct inode_map *seen, const char *name,
		       struct tree_usage *usage)
{
	struct stat st;
	int r = 0;

	if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return errno == ENOENT ? 0 : -errno; /* a running daemon's tree changes */
	if (S_ISDIR(st.st_mode))
		r = tree_walk_enter(walk, name);
	if (r == -EXDEV || r == -ENOENT)
		return 0;
	return r < 0 ? r : count(seen, &st, usage);
}

static int count_all(struct tree_walk *walk, struct tree_usage *usage)
{
	_cleanup_(inode_map_release) struct inode_map seen = INODE_MAP_INIT;

	for (;;) {
		const char *name = tree_walk_next(walk);
		int r = name ? count_entry(walk, &seen, name, usage) : tree_walk_leave(walk);

		if (r < 0 || (r == 0 && !name))
			return r;
	}
}

static int measure(int top, struct tree_usage *ret)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	struct stat st;
	int r = fstat(top, &st) < 0 ? -errno : tree_walk_open_unsorted(&walk, top);

	if (r < 0)
		return r;
	*ret = (struct tree_usage){ .bytes = (uint64_t)st.st_blocks * 512, .inodes = 1 };
	return count_all(&walk, ret);
}

int tree_usage(const struct host *host, const char *path, struct tree_usage *ret, struct error *err)
{
	_cleanup_fd_ int top = open_top(host, path);
	struct tree_usage usage = { 0 };
	int r = top < 0 ? top : -ESTALE;

	/* A running daemon may move the directory we are in: once more, then. */
	for (int i = 0; i < TRIES_MAX && top >= 0 && (r == -ESTALE || r == -ENOENT); i++)
		r = measure(top, &usage);
	if (r < 0)
		return error_errno(err, r, "measure '%s'", path);
	*ret = usage;
	return 0;
}

/* ---- content ---- */

int tree_content(const struct host *host, const char *path, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_fd_ int top = open_top(host, path);
	int r = top < 0 ? top : tree_walk_open(&walk, top);

	if (r == -ENOENT)
		return TREE_ABSENT;
	if (r == -ENOTDIR || r == -ELOOP)
		return error_set(err, ENOTDIR,
				 "'%s' is not a directory (berth follows no symbolic "
				 "link there)",
				 path);
	if (r < 0)
		return error_errno(err, r, "look into '%s'", path);
	return tree_walk_names(&walk)->len ? TREE_FULL : TREE_EMPTY;
}

/* ---- removal ---- */

int tree_remove(const struct host *host, const char *path, struct error *err)
{
	const char *name;
	_cleanup_fd_ int parent = host_open_parent(host, path, &name);
	_cleanup_fd_ int top = open_top(host, path);
	int r;

	if (parent == -ENOENT || top == -ENOENT)
		return 0;
	if (parent < 0 || top < 0)
		return error_errno(err, parent < 0 ? parent : top, "remove '%s'", path);
	r = mounted_refuse(host, path, err);
	if (r == 0)
		r = tree_remove_below(top, path, err);
	if (r < 0)
		return r;
	fault_point("tree:remove");
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "remove '%s'", path);
	return fsync(parent) < 0 ? error_errno(err, errno, "sync the directory of '%s'", path) : 0;
}
