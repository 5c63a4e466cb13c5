/*
 * Remove what is in a directory, as deep as it goes. No symlink is followed; what is mounted inside ends
 * it (-EBUSY, -EXDEV). Can be cut off and called again. Fault point "tree:remove" before each directory.
 */
#ifndef SYS_TREE_REMOVE_H
#define SYS_TREE_REMOVE_H

#include "base/error.h"

/* `path` is for messages. The directory itself stays. */
int tree_remove_below(int top_fd, const char *path, struct error *err);

#endif
