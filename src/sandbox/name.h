/* What a sandbox is called by the engine that has it. */
#ifndef SANDBOX_NAME_H
#define SANDBOX_NAME_H

#include "sandbox/settings.h"

#define ENGINE_NAME_DOCKER     "docker"
#define ENGINE_NAME_KUBERNETES "kubernetes"

/*
 * A container's name of Docker's, "namespace/pod" of a pod; `ret_engine` one of the above. 1, or 0: no engine has it
 * (any more), both NULL. What cannot be read costs the name alone. free() the name.
 */
int sandbox_name(const struct settings *settings, int pool_fd, const char *id, char **ret_name,
		 const char **ret_engine);

/* Another one when that name may be another; a pod's never is. */
uint64_t sandbox_name_stamp(const struct settings *settings, const char *id);

/* Does an engine still have it, or may it, as far as can be told? */
bool sandbox_is_kept(const struct settings *settings, const char *id);

#endif
