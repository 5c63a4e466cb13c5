/*
 * The disk below a pool's image: what it has, and how much of the image it can be given at once.
 *
 * For a rooted host the figures come from the recorded fact "filesystem:DIR=TYPE TOTAL AVAILABLE"
 * (bytes) of the nearest directory above the image that has one; without any, from the real disk.
 */
#ifndef CHANGE_POOL_SPACE_H
#define CHANGE_POOL_SPACE_H

#include "host/host.h"
#include "sys/fsinfo.h"

#define POOL_IMAGE_MIN	((uint64_t)300 << 20) /* mkfs.xfs makes none that is smaller */
#define POOL_SPARSE_MIN ((uint64_t)1 << 30)   /* free beyond the reserve to begin a sparse image */

/* The file system `path` (which need not exist; its directory must) lies on. */
int pool_space(const struct host *host, const char *path, struct fsinfo *ret, struct error *err);

/*
 * Shall an image of `size` bytes be allocated in full? 1 yes, 0 sparse. `mode` is "auto" (in full
 * where that leaves `reserve` bytes), "full" or "sparse". Refused with the figures, for `path`:
 * -ERANGE larger than the whole disk, -EINVAL too small or an unknown mode, -ENOSPC no room,
 * -EMEDIUMTYPE in memory (tmpfs).
 */
int pool_space_choose(const char *path, const char *mode, uint64_t size, uint64_t reserve,
		      const struct fsinfo *fs, struct error *err);

#endif
