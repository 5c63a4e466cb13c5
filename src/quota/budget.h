/*
 * A budget: how much a project may use, set and proven.
 *
 * The kernel takes nearly anything as a limit and says nothing when quotas are off, so what was set
 * is read back. Bytes are rounded up to the kernel's 512.
 */
#ifndef QUOTA_BUDGET_H
#define QUOTA_BUDGET_H

#include "base/error.h"
#include "sys/quota.h"

/*
 * What a stopped sandbox may use above its budget: its engine makes directories in its layer before
 * any runtime runs, and could not start one that is full.
 */
#define BUDGET_RESERVE_BYTES  ((uint64_t)4 << 20)
#define BUDGET_RESERVE_INODES ((uint64_t)256)
#define BUDGET_INODES_MIN     ((uint64_t)1024) /* the smallest budget still has a system's few files */

struct budget {
	uint64_t bytes;	 /* 0: unlimited */
	uint64_t inodes; /* 0: unlimited */
};

/* So many bytes, and an inode for each `bytes_per_inode` of them. */
struct budget budget_make(uint64_t bytes, uint64_t bytes_per_inode);

/* With the start reserve on top; an unlimited one stays so. */
struct budget budget_with_reserve(struct budget budget);

/* Are project quotas counted and enforced there? -EOPNOTSUPP with what to do when not. */
int budget_check_pool(int pool_fd, struct error *err);

/* Are these its limits? 1, 0, and in both cases what is there now. */
int budget_holds(int pool_fd, uint32_t project, struct budget budget, struct quota_usage *ret_now,
		 struct error *err);

/* Set a project's limits and read them back: -EIO when the kernel has others than were set. */
int budget_apply(int pool_fd, uint32_t project, struct budget budget, struct error *err);

/*
 * The same of project 0, whose limits are the default of every other project without its own, and do not bind project 0
 * itself. An unlimited one is none.
 */
int budget_apply_default(int pool_fd, struct budget budget, struct error *err);

/* Does a limit that was read (bytes or inodes) stand for none? */
bool budget_is_unlimited(uint64_t limit);

#endif
