/*
 * While sysbox-mgr is being stopped nothing may leave the stash: what was put back after it had been emptied
 * into the stash would be removed with the rest of sysbox-mgr's data root.
 *
 * A symbolic link says which sysbox-mgr goes (record_mgr()). It need not be taken away: the next one is
 * another, and after a boot there is none.
 */
#ifndef SANDBOX_FENCE_H
#define SANDBOX_FENCE_H

#include "base/error.h"

#define FENCE "/run/berth/sysbox-stops"

/* Before the stash is filled; `mgr`: record_mgr(), 0 where none is there to be stopped. */
int fence_raise(const char *path, uint64_t mgr, struct error *err);

/* Is the sysbox-mgr that is there now on its way out? */
bool fence_stands(const char *path, uint64_t mgr);

/*
 * Held (LOCK_SH) by a start while it looks at the fence and puts back, and (LOCK_EX) while the stash is
 * filled: of the two one sees what the other did. A start that hangs is waited for no longer than FENCE_WAIT_MS;
 * then, and for a start where there is no stash, 0 and *ret_fd untouched. Closing the descriptor gives it back.
 */
#define FENCE_WAIT_MS 20000
int fence_lock(int pool_fd, int operation, int *ret_fd, struct error *err);

#endif
