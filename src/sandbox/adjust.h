/* Another budget for a sandbox that is there, running or not. */
#ifndef SANDBOX_ADJUST_H
#define SANDBOX_ADJUST_H

#include "sandbox/list.h"

struct adjustment {
	uint64_t bytes; /* 0: unlimited, if `by_default` is not set */
	bool by_default; /* nobody's word any more but that of label, engine and host */
	bool force;	 /* also below what it uses: it can then only remove */
};

/*
 * At once where it runs; it outlives restarts. -ENOSPC: below what it uses, with the figures; -EINVAL:
 * less than a megabyte, more than LIMIT_MAX, or unlimited where the host does not allow it. `ret_budget` is what holds now.
 */
int sandbox_adjust(const struct settings *settings, int pool_fd, const struct sandbox *sandbox,
		   const struct adjustment *adjustment, uint64_t *ret_budget, struct error *err);

#endif
