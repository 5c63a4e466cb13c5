/* One berth at a time on a host: an advisory lock on /run/berth/lock that names its holder. */
#ifndef NODE_LOCK_H
#define NODE_LOCK_H

#include "host/host.h"
#include "base/progress.h"

#define LOCK_FILE "/run/berth/lock"

/*
 * Take it, waiting up to `wait_ms` (0: not at all). Held until the descriptor is closed (or the process
 * ends, however). -EBUSY: who holds it, in the message.
 */
int lock_take(const struct host *host, const char *command, uint64_t wait_ms,
	      const struct progress *progress, int *ret_fd, struct error *err);

#endif
