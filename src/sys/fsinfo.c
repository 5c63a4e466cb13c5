#include "sys/fsinfo.h"

#include <linux/magic.h>
#include <sys/vfs.h>

/* Kept out of linux/magic.h by the kernel, or younger than the headers we build with. */
#define MAGIC_FUSE     0x65735546UL /* fs/fuse/inode.c */
#define MAGIC_ZFS      0x2fc12fc1UL /* OpenZFS, include/sys/fs/zfs.h */
#define MAGIC_BCACHEFS 0xca451a4eUL /* fs/bcachefs/bcachefs_format.h */
#define MAGIC_NTFS3    0x7366746eUL /* fs/ntfs3/super.c */
#define MAGIC_CEPH     0x00c36400UL /* include/linux/ceph/ceph_fs.h */
#define MAGIC_CIFS     0xff534d42UL /* fs/smb/client/cifsglob.h */
#define MAGIC_SMB2     0xfe534d42UL

static const struct {
	unsigned long magic;
	const char *name;
} TYPES[] = {
	{ EXT4_SUPER_MAGIC, "ext4" }, /* ext2 and ext3 say the same */
	{ XFS_SUPER_MAGIC, "xfs" },
	{ BTRFS_SUPER_MAGIC, "btrfs" },
	{ TMPFS_MAGIC, "tmpfs" },
	{ RAMFS_MAGIC, "ramfs" },
	{ OVERLAYFS_SUPER_MAGIC, "overlay" },
	{ F2FS_SUPER_MAGIC, "f2fs" },
	{ NFS_SUPER_MAGIC, "nfs" },
	{ MSDOS_SUPER_MAGIC, "vfat" },
	{ EXFAT_SUPER_MAGIC, "exfat" },
	{ ISOFS_SUPER_MAGIC, "iso9660" },
	{ SQUASHFS_MAGIC, "squashfs" },
	{ EROFS_SUPER_MAGIC_V1, "erofs" },
	{ ECRYPTFS_SUPER_MAGIC, "ecryptfs" },
	{ V9FS_MAGIC, "9p" },
	{ PROC_SUPER_MAGIC, "proc" },
	{ SYSFS_MAGIC, "sysfs" },
	{ CGROUP2_SUPER_MAGIC, "cgroup2" },
	{ HUGETLBFS_MAGIC, "hugetlbfs" },
	{ MAGIC_FUSE, "fuse" },
	{ MAGIC_ZFS, "zfs" },
	{ MAGIC_BCACHEFS, "bcachefs" },
	{ MAGIC_NTFS3, "ntfs3" },
	{ MAGIC_CEPH, "ceph" },
	{ MAGIC_CIFS, "cifs" },
	{ MAGIC_SMB2, "smb2" },
};

static const char *type_name(unsigned long magic)
{
	for (size_t i = 0; i < ARRAY_SIZE(TYPES); i++) {
		if (TYPES[i].magic == magic)
			return TYPES[i].name;
	}
	return "unknown";
}

static uint64_t blocks_to_bytes(uint64_t blocks, uint64_t unit)
{
	uint64_t bytes;

	return __builtin_mul_overflow(blocks, unit, &bytes) ? UINT64_MAX : bytes;
}

int fsinfo_fd(int fd, struct fsinfo *ret, struct error *err)
{
	struct statfs sfs;
	uint64_t unit;

	if (fstatfs(fd, &sfs) < 0)
		return error_errno(err, errno, "ask for the free space of a file system");
	unit = (uint64_t)(sfs.f_frsize ? sfs.f_frsize : sfs.f_bsize);
	/* The magic is 32 bits wide; __fsword_t would sign-extend CIFS' and the like. */
	*ret = (struct fsinfo){
		.total = blocks_to_bytes(sfs.f_blocks, unit),
		.available = blocks_to_bytes(sfs.f_bfree, unit),
		.unreserved = blocks_to_bytes(sfs.f_bavail, unit),
		.inodes_available = sfs.f_files ? sfs.f_ffree : UINT64_MAX,
		.type = type_name((unsigned long)sfs.f_type & 0xffffffffUL),
	};
	ret->volatile_memory = strcmp(ret->type, "tmpfs") == 0 || strcmp(ret->type, "ramfs") == 0;
	return 0;
}
