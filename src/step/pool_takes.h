/* How much of what is on the root disk now can be moved into the pool. */
#ifndef STEP_POOL_TAKES_H
#define STEP_POOL_TAKES_H

#include "step/step.h"

/*
 * Bytes that the pool has room for, as it is or as it is to be made: never more than the disk below a sparse image can
 * give it beyond pool.reserve. UINT64_MAX: not known, or the pool itself is refused (its own change says why).
 */
uint64_t pool_takes(const struct step_context *ctx);

#endif
