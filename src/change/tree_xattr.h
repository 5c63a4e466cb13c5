/*
 * Extended attributes (ACLs and capabilities are among them) of any kind of file, symlinks and
 * device nodes too, named by an open directory and a name ("." for the directory itself). Needs
 * /proc.
 *
 * Left out of account are the attributes that belong to one file system or one inode: XFS' own
 * copies of ACLs (trusted.SGI_*) and EVM's sums (security.evm).
 */
#ifndef CHANGE_TREE_XATTR_H
#define CHANGE_TREE_XATTR_H

#include "base/strv.h"

/* 0: the same names and values; 1: not, ret_name (free() it) is the first that differs; -errno. */
int tree_xattr_compare(int a_dir, int b_dir, const char *name, char **ret_name);

#endif
