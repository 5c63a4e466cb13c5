#include "sandbox/tag_by_side.h"

#include <fcntl.h>

#include "base/strbuf.h"
#include "quota/tag.h"
#include "sandbox/pool_dirs.h"

int tag_by_side(int pool_fd, const char *id, int dir_fd, uint32_t project, struct error *err)
{
	_cleanup_free_ char *path = xasprintf(POOL_SIDE "/%s.%d", id, (int)getpid());
	_cleanup_fd_ int top = pool_dir_make(pool_fd, POOL_SIDE, err);
	_cleanup_fd_ int side = -EBADF;
	int r;

	if (top < 0)
		return top;
	if (!path)
		return error_errno(err, ENOMEM, "tag what sandbox %.64s has", id);
	side = pool_dir_make(pool_fd, path, err);
	if (side < 0)
		return side;
	r = tag_tree(dir_fd, side, project, NULL, err);
	/* What a failure has left in it, reconcile takes away. */
	(void)unlinkat(pool_fd, path, AT_REMOVEDIR);
	return r;
}
