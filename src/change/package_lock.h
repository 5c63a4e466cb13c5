/*
 * Waiting for whoever else is at work with the host's packages, with a message that names him.
 *
 * The lock itself is taken by the package manager a moment later, which waits on its own as well.
 */
#ifndef CHANGE_PACKAGE_LOCK_H
#define CHANGE_PACKAGE_LOCK_H

#include "change/change.h"

/*
 * Wait until nobody holds a lock of the host's package manager. At the deadline
 * (ctx->package_lock_ms): -EAGAIN with the holder's name and process id, and the lock.
 */
int package_lock_wait(struct change_context *ctx, struct error *err);

#endif
