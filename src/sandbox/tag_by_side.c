#include "sandbox/tag_by_side.h"

#include <fcntl.h>
#include <stdio.h>

#include "quota/tag.h"
#include "sandbox/pool_dirs.h"
#include "sys/tree_remove.h"

struct pool_side {
	struct tag_side side;
	int pool_fd;
	char path[256];
};

static int open_it(struct tag_side *side, struct error *err)
{
	const struct pool_side *s = (const struct pool_side *)side;
	_cleanup_fd_ int top = pool_dir_make(s->pool_fd, POOL_SIDE, err);
	_cleanup_fd_ int dir = top < 0 ? top : pool_dir_make(s->pool_fd, s->path, err);
	/* Of an earlier process of that number. */
	int r = dir < 0 ? dir : tree_remove_below(dir, s->path, err);

	return r < 0 ? r : TAKE_FD(dir);
}

static void remove_it(const struct pool_side *s)
{
	/* What stays all the same, reconcile takes away. */
	if (s->side.fd >= 0 && tree_remove_below(s->side.fd, s->path, NULL) == 0)
		(void)unlinkat(s->pool_fd, s->path, AT_REMOVEDIR);
}

int tag_by_side(int pool_fd, const char *id, int dir_fd, uint32_t project, struct error *err)
{
	struct pool_side s = { .side = { .open = open_it, .fd = -EBADF }, .pool_fd = pool_fd };
	int r;

	(void)snprintf(s.path, sizeof(s.path), POOL_SIDE "/%.200s.%d", id, (int)getpid());
	r = tag_tree(dir_fd, &s.side, project, err);
	remove_it(&s);
	fd_closep(&s.side.fd);
	return r;
}
