/*
 * XFS project quotas by quotactl(2), XFS flavour (linux/dqblk_xfs.h), and project ids by
 * FS_IOC_FSGETXATTR/FSSETXATTR (linux/fs.h).
 *
 * Sizes are bytes here; the kernel's unit is 512 bytes. `dir_fd` is any open descriptor on the file
 * system: quotactl_fd (Linux >= 5.14, syscall 443) is used, with quotactl() on the block device
 * found through /proc/self/mountinfo as fall-back.
 */
#ifndef SYS_QUOTA_H
#define SYS_QUOTA_H

#include "base/error.h"

struct quota_state {
	bool accounting;
	bool enforcement;
};

struct quota_usage {
	uint32_t project;
	uint64_t used;	     /* bytes */
	uint64_t hard, soft; /* bytes, 0: none */
	uint64_t inodes;
	uint64_t inode_hard, inode_soft; /* 0: none */
};

/*
 * Q_XGETQSTATV. No quota there at all (-EOPNOTSUPP, -ENOSYS, -EINVAL...) reads as both false, not
 * as an error.
 */
int quota_get_state(int dir_fd, struct quota_state *ret, struct error *err);

/* Q_XQUOTAON: limits of projects are enforced again, where their use was counted all the time. */
int quota_enforce(int dir_fd, struct error *err);

/* A project without a record reads as all zero. -ESRCH: project quotas are off. */
int quota_get(int dir_fd, uint32_t project, struct quota_usage *ret, struct error *err);

/*
 * Hard and soft alike; 0 takes the limit away, bytes are rounded up to the kernel's unit. Not read
 * back: callers who promise must quota_get. On project 0 it is the default of all others.
 */
int quota_set_limit(int dir_fd, uint32_t project, uint64_t bytes, uint64_t inodes,
		    struct error *err);

/* The first record with an id >= `from` (Q_XGETNEXTQUOTA); -ENOENT behind the last. */
int quota_next(int dir_fd, uint32_t from, struct quota_usage *ret, struct error *err);

/* The project of an open file or directory (no O_PATH); does what is made in it inherit it? */
int quota_get_project(int fd, uint32_t *ret_project, bool *ret_inherit, struct error *err);

/* Tag an open file or directory (directories: also inherit, or no longer). */
int quota_set_project(int fd, uint32_t project, bool inherit, struct error *err);

#endif
