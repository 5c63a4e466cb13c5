/*
 * How far a pool may grow, when it should, and when the disk below it is too short: arithmetic on
 * figures that pool_now.h reads, and the sentences that refuse. Nothing here touches anything.
 *
 * All sizes are bytes. An image that is not allocated in full is a promise on the disk below: what
 * is promised already is no room for more.
 */
#ifndef CHANGE_POOL_POLICY_H
#define CHANGE_POOL_POLICY_H

#include "base/error.h"

/* mkfs.xfs leaves a tail below 16 MiB of its device out, and growth one below 64 blocks. */
#define POOL_SLACK ((uint64_t)16 << 20)
/* By policy no image grows by less: a disk that frees a little every minute is no room. */
#define POOL_GROW_MIN ((uint64_t)64 << 20)

struct pool_figures {
	const char *name;		/* the image's path, or the device's */
	bool device;			/* no image: nothing below is counted then */
	uint64_t data;			/* of XFS, as it was made or grown to */
	uint64_t size;			/* of the image, or of the device */
	uint64_t allocated;		/* blocks of the image */
	uint64_t total, used;		/* what the pool's users see */
	uint64_t disk_total, disk_free; /* the file system the image lies on; free: for others than root, too */
	const char *disk_type;
};

struct pool_policy {
	uint64_t grow_at; /* percent used, 0: never */
	uint64_t grow_by;
	uint64_t max_size; /* 0: as far as the disk goes */
	uint64_t reserve;  /* must stay free on the disk below */
};

/* Percent used, rounded down. */
unsigned pool_used_percent(const struct pool_figures *f);

/* What the image has yet to be given by the disk; 0 of one in full and of a device. */
uint64_t pool_promised(const struct pool_figures *f);

/* How much larger an image may become: free, less the reserve, less what is promised. A device: 0.
 */
uint64_t pool_room(const struct pool_figures *f, uint64_t reserve);

/* Is the file system shorter than what it is on? A growth was cut off, or the device has grown. */
bool pool_is_unfinished(const struct pool_figures *f);

/* Will the disk below be full before the pool is? */
bool pool_is_short(const struct pool_figures *f, uint64_t reserve);

/* 0, or -ENOSPC with the alert: less than the reserve is free, and the image needs it yet. */
int pool_check_disk(const struct pool_figures *f, uint64_t reserve, struct error *err);

/*
 * Somebody asks for a size: "80G", "+10G", or NULL: all of the device, or the rest of a growth that
 * was cut off. 1 with the size to grow to, 0: nothing to do, negative: refused with the figures.
 */
int pool_policy_ask(const struct pool_figures *f, const char *size, uint64_t reserve,
		    uint64_t *ret_target, struct error *err);

/* What should be done without being asked: 1 with the size to grow to, 0: nothing; negative: it
 * should grow and cannot, or the disk below runs full. */
int pool_policy_auto(const struct pool_figures *f, const struct pool_policy *policy,
		     uint64_t *ret_target, struct error *err);

#endif
