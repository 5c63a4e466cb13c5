/*
 * A walk through a directory tree that nobody can lead astray.
 *
 * One directory is open at a time: down by openat (no symlink followed, no mount entered), up by
 * ".." with a check that it is the directory we came from. So a tree may be as deep as it likes
 * (tenants make them), and one that is moved about meanwhile ends the walk (-ESTALE) instead of
 * widening it. Names come sorted by their bytes, or, of what a tenant has made, as the directory has
 * them: then a walk takes the same memory whatever it meets.
 */
#ifndef SYS_TREE_WALK_H
#define SYS_TREE_WALK_H

#include "base/strbuf.h"
#include "base/strv.h"
#include "sys/inode_map.h"

struct tree_level {
	struct strv names; /* of a sorted walk */
	size_t next;
	int64_t resume; /* of the other: where behind the last name that was told... */
	uint64_t told;	/* ...and how many were */
	struct inode_id id;
	size_t path_len; /* of this directory's path */
};

struct dir_buffer;

struct tree_walk {
	int fd;		    /* the directory we are in */
	struct strbuf path; /* its path below the top, "" there */
	struct tree_level *levels;
	size_t depth; /* 1 at the top */
	size_t cap;
	struct dir_buffer *buffer; /* NULL: names are sorted */
};

#define TREE_WALK_INIT ((struct tree_walk){ .fd = -EBADF })
void tree_walk_release(struct tree_walk *walk);

/* Start in an open directory (O_PATH is enough); the descriptor stays the caller's. */
int tree_walk_open(struct tree_walk *walk, int top_fd);

/* The same, names as they come. Entries may go while it is read; new ones may be told or not. */
int tree_walk_open_unsorted(struct tree_walk *walk, int top_fd);

/*
 * The next name in this directory, NULL behind the last, or where it cannot be read: tree_walk_leave() says
 * so then. Good until the walk goes on or leaves the directory.
 */
const char *tree_walk_next(struct tree_walk *walk);

/* Of a sorted walk: all in this directory. */
const struct strv *tree_walk_names(const struct tree_walk *walk);

/*
 * Of an unsorted walk that takes away what it is told: from the beginning of this directory again. False:
 * nothing was told since it was begun, or it cannot be read; it is at its end.
 */
bool tree_walk_again(struct tree_walk *walk);

/* Down. -EXDEV: something else is mounted there; -ENOTDIR, -ELOOP: no directory. */
int tree_walk_enter(struct tree_walk *walk, const char *name);

/* Up: 1, or 0 when this was the top. */
int tree_walk_leave(struct tree_walk *walk);

/* The path of a name in this directory, for messages: whatever is not printable ASCII as \xNN. */
#define TREE_WHERE_MAX 400
const char *tree_walk_where(const struct tree_walk *walk, const char *name,
			    char buf[static TREE_WHERE_MAX]);

#endif
