/*
 * Directory trees of the host: how big, empty or not, and removal.
 *
 * No symlink is followed and no mount entered (tree_walk.h): sizes leave out what is mounted
 * inside, removal refuses before it has touched anything.
 */
#ifndef CHANGE_TREE_H
#define CHANGE_TREE_H

#include "host/host.h"

struct tree_usage {
	uint64_t bytes;	 /* on the disk: holes left out, files with several names counted once */
	uint64_t inodes; /* the top directory too */
	uint64_t files;	 /* of these, what is no directory */
};

/* -ENOENT when it is not there. */
int tree_usage(const struct host *host, const char *path, struct tree_usage *ret,
	       struct error *err);

enum tree_content {
	TREE_ABSENT,
	TREE_EMPTY,
	TREE_FULL,
};

/* enum tree_content; -ENOTDIR with a sentence when it is a file or a symlink. */
int tree_content(const struct host *host, const char *path, struct error *err);

/*
 * Remove a directory and all below, and sync its parent; absent is fine. -EBUSY, nothing removed,
 * when something is mounted at or below it. Can be cut off and called again. Fault point
 * "tree:remove" before each directory.
 */
int tree_remove(const struct host *host, const char *path, struct error *err);

#endif
