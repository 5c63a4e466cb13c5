/* Which project a sandbox is in. */
#ifndef SANDBOX_PROJECT_H
#define SANDBOX_PROJECT_H

#include "sandbox/settings.h"

/*
 * The sandbox's own of before; else the project the engine gave the layer (the one on `layer_dir`, a path below
 * the pool's top or NULL), unless what its last owner left in the stash counts there; else a new one of berth's range.
 * It is claimed for the sandbox. `project` is the one of its record, 0 for none, and what was chosen afterwards.
 * -EEXIST: the layer is in a project of another sandbox that is still there.
 */
int project_choose(const struct settings *settings, int pool_fd, int claims_fd, const char *id,
		   const char *layer_dir, uint32_t *project, struct error *err);

/*
 * Is a sandbox still there: does its engine have it, or does it run? 1, 0. Where the engine's files
 * cannot be read nothing is known to be gone: 1.
 */
int project_owner_exists(const struct settings *settings, int pool_fd, const char *id,
			 struct error *err);

#endif
