#include "sys/tree_remove.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "sys/tree_walk.h"

static int remove_entry(struct tree_walk *walk, const char *name)
{
	if (unlinkat(walk->fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return errno == EISDIR ? tree_walk_enter(walk, name) : -errno;
}

/* Up to the parent, where the directory that is empty by now goes. 0 at the top. */
static int remove_left(struct tree_walk *walk)
{
	const char *name;
	int r = tree_walk_leave(walk, &name);

	if (r <= 0)
		return r;
	fault_point("tree:remove");
	return unlinkat(walk->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 1;
}

int tree_remove_below(int top_fd, const char *path, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	char where[TREE_WHERE_MAX];
	int r = tree_walk_open(&walk, top_fd);

	while (r >= 0) {
		const char *name = tree_walk_next(&walk);

		r = name ? remove_entry(&walk, name) : remove_left(&walk);
		if (r < 0)
			return error_errno(err, r, "remove '%s' in '%s'",
					   tree_walk_where(&walk, name ? name : "", where), path);
		if (r == 0 && !name)
			return 0;
	}
	return error_errno(err, r, "remove '%s'", path);
}
