/*
 * Looking at what is to become a pool, and the sentences that refuse it.
 *
 * want: {"device": bool, "size", "allocate", "reserve", "uuid"}, as in pool.c.
 */
#ifndef CHANGE_POOL_DISK_H
#define CHANGE_POOL_DISK_H

#include "change/change.h"

/* 1: an XFS is there already; 0: nothing is there, an image can be made; negative: must not be
 * touched. */
int pool_image_look(const struct host *host, const char *path, struct error *err);

/* The same of a device: 0 when it is blank, not mounted and not in use. */
int pool_device_look(const struct host *host, const char *path, uint64_t *ret_size,
		     struct error *err);

/* Open a block device for reading and `flags`; -ENOTBLK with a sentence when it is something else.
 */
int pool_device_open(const struct host *host, const char *path, int flags, struct error *err);

/* -EBUSY with a sentence when it is mounted or claimed by a volume manager, swap or another
 * program. */
int pool_device_refuse_used(const struct host *host, const char *path, struct error *err);

#endif
