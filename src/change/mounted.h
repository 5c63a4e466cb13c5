/*
 * Is something mounted at or below a directory of the host? Asked before anything is moved, copied
 * or removed. Rooted hosts are asked too: their folder may hold mounts as well.
 */
#ifndef CHANGE_MOUNTED_H
#define CHANGE_MOUNTED_H

#include "host/host.h"

/* Is `path` (not followed when it is a symlink) a mount point? 1, 0 (absent too), or negative. */
int mounted_at(const struct host *host, const char *path, struct error *err);

/* Is anything mounted below it? 1 with the first one's place (free() it), 0, or negative. */
int mounted_below(const struct host *host, const char *path, char **ret_where, struct error *err);

/*
 * May something be put at a path of the pool? 0 while nothing is mounted on POOL_DIR: what is made
 * there now would land on the root disk, under the mount. Paths elsewhere and rooted hosts: 1.
 */
int mounted_pool(const struct host *host, const char *path, struct error *err);

/* -EBUSY with a sentence when something is mounted at `path` or below it. */
int mounted_refuse(const struct host *host, const char *path, struct error *err);

#endif
