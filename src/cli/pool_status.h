/* What `berth pool status` says. */
#ifndef CLI_POOL_STATUS_H
#define CLI_POOL_STATUS_H

#include "change/pool_now.h"
#include "cli/command.h"

struct pool_policy pool_policy_of(const struct spec *spec);

/* On standard output, as text or with --json; an exit code. */
int pool_status_print(const struct arguments *args, const struct spec *spec,
		      const struct pool_now *now);

#endif
