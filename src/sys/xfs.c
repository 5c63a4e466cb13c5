#include "sys/xfs.h"

#include <linux/magic.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

/*
 * From the kernel's fs/xfs/libxfs/xfs_fs.h, which only xfslibs-dev installs. The names differ from
 * its own, so that having both does no harm.
 */
struct fsop_geom { /* struct xfs_fsop_geom, version 5 */
	__u32 blocksize, rtextsize, agblocks, agcount, logblocks, sectsize, inodesize, imaxpct;
	__u64 datablocks, rtblocks, rtextents, logstart;
	unsigned char uuid[16];
	__u32 sunit, swidth;
	__s32 version;
	__u32 flags, logsectsize, rtsectsize, dirblocksize, logsunit, sick, checked;
	__u64 reserved[17];
};
_Static_assert(sizeof(struct fsop_geom) == 256, "the size is part of the request's number");

struct growfs_data { /* struct xfs_growfs_data */
	__u64 newblocks;
	__u32 imaxpct;
};
_Static_assert(sizeof(struct growfs_data) == 16, "the size is part of the request's number");

#define IOC_FSGEOMETRY	   _IOR('X', 126, struct fsop_geom)
#define IOC_FSGROWFSDATA   _IOW('X', 110, struct growfs_data)
#define GEOM_FLAGS_FTYPE   (1U << 16)
#define GEOM_FLAGS_REFLINK (1U << 20)

static int get_geom(int dir_fd, struct fsop_geom *ret, struct error *err)
{
	struct statfs sfs;

	memset(ret, 0, sizeof(*ret));
	/* 'X' is not XFS' alone: ask what it is before sending it one of XFS' own requests. */
	if (fstatfs(dir_fd, &sfs) < 0)
		return error_errno(err, errno, "ask for the type of a file system");
	if ((unsigned long)sfs.f_type != XFS_SUPER_MAGIC)
		return error_set(err, EOPNOTSUPP,
				 "read the geometry of XFS: the file system is not XFS");
	if (ioctl(dir_fd, IOC_FSGEOMETRY, ret) < 0)
		return error_errno(err, errno, "read the geometry of XFS");
	if (ret->blocksize == 0)
		return error_set(err, EPROTO, "read the geometry of XFS: no block size");
	return 0;
}

int xfs_get_geometry(int dir_fd, struct xfs_geometry *ret, struct error *err)
{
	struct fsop_geom geom;
	int r = get_geom(dir_fd, &geom, err);

	if (r < 0)
		return r;
	*ret = (struct xfs_geometry){
		.block_size = geom.blocksize,
		.sector_size = geom.sectsize,
		.data_bytes = geom.datablocks * geom.blocksize,
		.ftype = geom.flags & GEOM_FLAGS_FTYPE,
		.reflink = geom.flags & GEOM_FLAGS_REFLINK,
	};
	return 0;
}

int xfs_grow(int dir_fd, uint64_t bytes, struct error *err)
{
	struct growfs_data grow = { 0 };
	struct fsop_geom geom;
	int r = get_geom(dir_fd, &geom, err);

	if (r < 0)
		return r;
	if (!geom.blocksize)
		return error_set(err, EIO, "the file system has no block size");
	/* The inode percentage is set along; 0 would take its limit away. */
	grow.newblocks = bytes / geom.blocksize;
	grow.imaxpct = geom.imaxpct;
	/* Newer kernels would try to shrink. */
	if (grow.newblocks < geom.datablocks)
		return error_set(
			err, EINVAL, "grow XFS: it has more than %llu blocks already (%llu)",
			(unsigned long long)grow.newblocks, (unsigned long long)geom.datablocks);
	if (grow.newblocks == geom.datablocks)
		return 0;
	if (ioctl(dir_fd, IOC_FSGROWFSDATA, &grow) < 0)
		return error_errno(err, errno, "grow XFS to %llu blocks%s",
				   (unsigned long long)grow.newblocks,
				   errno == EIO ? " (is its device that big?)" : "");
	return 0;
}
