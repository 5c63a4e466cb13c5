/*
 * Mounting by the classic and the new (fsopen, move_mount, mount_setattr; Linux >= 5.12) calls, and
 * trials of what the kernel can mount.
 *
 * This header hides the C library's <sys/mount.h> wherever "src" is on the <...> include path: take
 * flags from <linux/mount.h>.
 */
#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

#include "base/error.h"

/* `flags` are MS_* of linux/mount.h; `options` are the file system's own, NULL for none. */
int mount_device(const char *device, const char *target, const char *type, unsigned long flags,
		 const char *options, struct error *err);
int mount_bind(const char *source, const char *target, bool recursive, struct error *err);

/* UMOUNT_NOFOLLOW; lazily when asked. Not mounted (-EINVAL) is an error. */
int mount_detach(const char *target, bool lazy, struct error *err);

/*
 * Functional tests: 1 works, 0 does not (ret_reason says why), negative: could not be tried (it
 * says that, too). What mounts does so in a forked child with a mount namespace of its own. Nothing
 * stays behind.
 */

/* Overlay on a tmpfs: read through, copy up. */
int mount_try_overlay(char ret_reason[static 256]);

/*
 * Overlay over an ID-mapped lower layer (>= 5.19), in a temporary directory made in `dir` and
 * removed again: file systems differ in what they can. NULL: on a tmpfs (which can from 6.3 on).
 */
int mount_try_idmapped_overlay(const char *dir, char ret_reason[static 256]);

/* /dev/fuse opens and "fuse" is a known file system. */
int mount_try_fuse(char ret_reason[static 256]);

/* Is the type known to the kernel? Loads its module where it can. */
int mount_try_fs(const char *type, char ret_reason[static 256]);

#endif
