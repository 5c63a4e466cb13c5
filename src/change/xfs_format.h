/*
 * XFS made and recognised: what berth formats, and how it tells its own work from others' data.
 */
#ifndef CHANGE_XFS_FORMAT_H
#define CHANGE_XFS_FORMAT_H

#include "host/host.h"

/*
 * mkfs.xfs (a program of the host) on a blank image or device, never forced: 4096-byte sectors (a
 * 512-byte one does not mount on a loop device with 4096), checksums, reflink, directory entries
 * with types, that UUID.
 */
int xfs_format(const struct host *host, const char *path, const char *uuid, struct error *err);

/* A complete XFS with that UUID? 1, 0, or -errno. */
int xfs_is_ours(int fd, const char *uuid, struct error *err);

/*
 * Traces of a mkfs.xfs with that UUID which was cut off: no complete XFS is there, but the raw UUID
 * that mkfs writes into every header is in the first MiB. 1, 0, or -errno.
 */
int xfs_is_half_made(int fd, const char *uuid, struct error *err);

/* Does the host's `xfs_repair -n` find nothing wrong? 0, or -EUCLEAN with a sentence. */
int xfs_check(const struct host *host, const char *path, struct error *err);

/* Zero the first and the last MiB, and sync. */
int xfs_wipe(int fd, struct error *err);

#endif
