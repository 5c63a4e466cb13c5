#include "sys/tree_remove.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "sys/tree_walk.h"

static int remove_entry(struct tree_walk *walk, const char *name)
{
	if (unlinkat(walk->fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return -errno;
	fault_point("tree:remove");
	if (unlinkat(walk->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY || errno == EEXIST ? tree_walk_enter(walk, name) : -errno;
}

/*
 * A directory is read again until there is nothing in it, for file systems on which an offset means another entry once some
 * are gone; a directory below is removed when it comes again, empty.
 */
int tree_remove_below(int top_fd, const char *path, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	char where[TREE_WHERE_MAX];
	int r = tree_walk_open_unsorted(&walk, top_fd);

	while (r >= 0) {
		const char *name = tree_walk_next(&walk);

		if (!name && tree_walk_again(&walk))
			continue;
		r = name ? remove_entry(&walk, name) : tree_walk_leave(&walk);
		if (r < 0)
			return error_errno(err, r, "remove '%s' in '%s'",
					   tree_walk_where(&walk, name ? name : "", where), path);
		if (r == 0 && !name)
			return 0;
	}
	return error_errno(err, r, "remove '%s'", path);
}
