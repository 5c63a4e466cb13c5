/*
 * Copy a directory tree to another place of the host, by the host's own `cp -a`, and prove it.
 *
 * `from` must be at rest: nothing mounted inside (-EBUSY), nobody writing. `to` is a scratch name:
 * what is there from an earlier try goes first, and after a failure nothing stays there. On success
 * the copy is on the disk and was compared with the original, byte by byte (tree_compare.h).
 * Fault points "copy:made", "copy:synced", "copy:compared".
 */
#ifndef CHANGE_TREE_COPY_H
#define CHANGE_TREE_COPY_H

#include "change/change.h"
#include "change/tree.h"

int tree_copy(struct change_context *ctx, const char *from, const char *to, struct error *err);

/* What a copy of that size needs on the disk it goes to: 5 % and 64 MiB more. */
uint64_t tree_copy_needs(const struct tree_usage *usage);

/*
 * Does a copy of `from` fit where `to` is to lie (its parent exists)? 0, or -ENOSPC with the
 * figures. A scratch copy left at `to` by an earlier try is counted as free.
 */
int tree_copy_fits(const struct host *host, const char *from, const char *to, struct error *err);

#endif
