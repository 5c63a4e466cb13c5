/*
 * Loop devices (loop(4), linux/loop.h): attach with LOOP_CONFIGURE (Linux >= 5.8) and direct I/O,
 * fall back to LOOP_SET_FD + LOOP_SET_STATUS64 + LOOP_SET_DIRECT_IO where it is unknown.
 *
 * The kernel keeps its own reference to the image: the caller's descriptor may be closed
 * afterwards.
 */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include <sys/types.h>

#include "base/error.h"

#define LOOP_PATH_MAX 32

struct loop_device {		    /* "loop_info" is the kernel's */
	char device[LOOP_PATH_MAX]; /* "/dev/loop3" */
	bool direct_io;
	bool read_only;
	uint32_t block_size; /* logical, bytes */
	uint64_t size;	     /* of the device, bytes */
};

/*
 * Attach the open image to a free loop device, read-only if the descriptor is, with direct I/O
 * where the backing file system can (else without, see ret->direct_io). `block_size` is the logical
 * one: 0 means 512, raised where direct I/O needs more; anything else is taken as it is, because a
 * file system made for another size would not mount. No autoclear: it stays until loop_detach. Two
 * attachers racing get two devices. -ENOENT/-ENODEV: no loop driver, -EBUSY: no free device.
 */
int loop_attach(int image_fd, uint32_t block_size, struct loop_device *ret, struct error *err);

/*
 * The loop device whose backing file is this image (by device and inode, all of it: no offset, no
 * size limit), -ENOENT when none.
 */
int loop_find(int image_fd, struct loop_device *ret, struct error *err);

/*
 * The image behind the block device with that number, as the kernel names its path now; free() it.
 * Names only: whoever opens it asks loop_find. -ENOENT: no loop device, or nothing is attached.
 */
int loop_backing_file(unsigned device_major, unsigned device_minor, char **ret_path,
		      struct error *err);

/* -ENXIO: nothing is attached to it. */
int loop_inspect(const char *device, struct loop_device *ret, struct error *err);

/* -EINVAL: the backing file system cannot (or not at this block size). */
int loop_set_direct_io(const char *device, bool on, struct error *err);

/* Let it see the image's new size (LOOP_SET_CAPACITY). */
int loop_refresh_size(const char *device, struct error *err);

/* Detach. One that is in use is not -EBUSY: the kernel detaches it at the last close. */
int loop_detach(const char *device, struct error *err);

#endif
