/* Free space and type of the file system a path or descriptor lies on. */
#ifndef SYS_FSINFO_H
#define SYS_FSINFO_H

#include "base/error.h"

struct fsinfo {
	uint64_t total, available; /* bytes; available to root */
	uint64_t unreserved;	   /* bytes; of these, what is not kept for root alone: df's "Avail" */
	uint64_t inodes_available; /* UINT64_MAX where the file system has no fixed number */
	const char *type;	   /* "ext4", "xfs", "tmpfs", "overlay", "btrfs"...; "unknown" */
	bool volatile_memory;	   /* tmpfs or ramfs: gone at reboot */
};

int fsinfo_fd(int fd, struct fsinfo *ret, struct error *err);

#endif
