/* XFS itself: geometry (XFS_IOC_FSGEOMETRY, Linux >= 5.2) and growth (XFS_IOC_FSGROWFSDATA). */
#ifndef SYS_XFS_H
#define SYS_XFS_H

#include "base/error.h"

struct xfs_geometry {
	uint32_t block_size;  /* bytes */
	uint32_t sector_size; /* bytes */
	uint64_t data_bytes;  /* size of the data section */
	bool ftype;	      /* directory entries carry the file type: overlayfs needs it */
	bool reflink;
};

/* -EOPNOTSUPP: `dir_fd` is not on XFS. */
int xfs_get_geometry(int dir_fd, struct xfs_geometry *ret, struct error *err);

/*
 * Grow the data section to `bytes` (rounded down to blocks); smaller is -EINVAL, equal is nothing
 * to do. Online, under load. The device must have grown before: -EIO when it has not.
 */
int xfs_grow(int dir_fd, uint64_t bytes, struct error *err);

#endif
