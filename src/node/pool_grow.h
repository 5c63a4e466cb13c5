/*
 * A mounted pool made larger, under load: the image, its loop device, the file system, in this
 * order. Cut off anywhere, nothing is lost: an image or device that is longer than its file system
 * is taken up by the next growth (pool_is_unfinished).
 */
#ifndef NODE_POOL_GROW_H
#define NODE_POOL_GROW_H

#include "change/pool_now.h"

/*
 * Grow to `target` bytes, which the policy has allowed, and read back. `allocate` is enum
 * pool_allocate, for the new part: in full unless sparse is wanted or, with auto, the file system
 * below cannot. One at a time: callers hold the host's lock.
 */
int pool_grow(const struct pool_now *now, uint64_t target, int allocate, struct error *err);

#endif
