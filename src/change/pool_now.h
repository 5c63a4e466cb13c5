/*
 * The mounted pool as it is now: what it is on, and the figures that say how far it may grow. Told
 * by the kernel and not by the settings: these may name another image than the one that is mounted.
 */
#ifndef CHANGE_POOL_NOW_H
#define CHANGE_POOL_NOW_H

#include "change/pool_policy.h"
#include "host/host.h"

struct pool_now {
	struct pool_figures figures; /* its texts are owned below, or static */
	char *name;
	char *device; /* "/dev/loop0", "/dev/sdb" */
	int dir_fd;   /* of the mounted pool */
	int image_fd; /* for reading; -EBADF: a device */
};

#define POOL_NOW_INIT ((struct pool_now){ .dir_fd = -EBADF, .image_fd = -EBADF })
void pool_now_release(struct pool_now *now);

/*
 * `device` is the setting pool.device: a loop device that it names is a device like any other,
 * whose image is its owner's business. -ENOTCONN: no pool is mounted; -EOPNOTSUPP: a rooted host.
 */
int pool_now_read(const struct host *host, const char *device, struct pool_now *ret,
		  struct error *err);

#endif
