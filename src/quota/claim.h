/*
 * Which sandbox a project id belongs to: one symbolic link an id, in a directory of the pool.
 *
 *     <claims>/1073742001 -> 3f0c5a1be94d...   (the sandbox's id)
 *
 * A link is made and found in one system call each and is metadata, which XFS journals in order: so
 * fifty starts at once need no lock, no id is ever given twice, and after a power cut a claim is
 * there whole or not at all. berth's own ids come from a range; ids that an engine gave are claimed
 * under their own number.
 */
#ifndef QUOTA_CLAIM_H
#define QUOTA_CLAIM_H

#include "base/error.h"

#define CLAIM_OWNER_MAX 256 /* bytes of an owner's id, its NUL included */

struct project_range {
	uint32_t first, last; /* both included */
};

/*
 * An id of the range for `owner`: the one it has already where the search comes upon it, else a free
 * one that has neither use nor limits on the file system of `pool_fd`. -ENOSPC: the range is taken.
 */
int claim_new(int claims_fd, int pool_fd, const struct project_range *range, const char *owner,
	      uint32_t *ret_project, struct error *err);

/*
 * That very id for `owner`: 0 also when it is its own already. -EEXIST: it is another's, whose id is
 * in ret_other.
 */
int claim_take(int claims_fd, uint32_t project, const char *owner, char ret_other[static CLAIM_OWNER_MAX],
	       struct error *err);

/* Whose is it? 1 and the owner, 0: nobody's. */
int claim_owner(int claims_fd, uint32_t project, char ret_owner[static CLAIM_OWNER_MAX],
		struct error *err);

/* Give it up, if it is still `owner`'s. */
int claim_release(int claims_fd, uint32_t project, const char *owner, struct error *err);

#endif
