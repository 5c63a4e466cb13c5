/*
 * Are two trees the same in everything a program can see? Type, permissions, owner, size, time of
 * last change, link target, device number, which names are one file, extended attributes, and every
 * byte of content (read from the second tree's disk, not from memory, as far as the kernel lets go
 * of it).
 *
 * The first difference is -EBADMSG with a sentence that names the path and what differs. Something
 * mounted inside is -EXDEV.
 */
#ifndef CHANGE_TREE_COMPARE_H
#define CHANGE_TREE_COMPARE_H

#include "base/error.h"
#include "base/progress.h"

/* Two open directories; `total` is the bytes to expect, for the progress. */
int tree_compare(int original, int copy, uint64_t total, const struct progress *progress,
		 struct error *err);

#endif
