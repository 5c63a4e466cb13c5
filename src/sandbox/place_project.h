/* One place of a sandbox (places.h) and the project it belongs in. */
#ifndef SANDBOX_PLACE_PROJECT_H
#define SANDBOX_PLACE_PROJECT_H

#include "sandbox/places.h"

/*
 * Is it outside of its project? By its top: a directory that is in it, and hands it on, was done in whole. 1, with the
 * place opened in `ret_fd`; 0: it is in it; or it is another sandbox's (--volumes-from), whose budget it stays in; or it
 * is a file that is not there. -ENOENT: a directory is not. `claims_fd` may be negative: then nobody has claimed any.
 */
int place_drifted(const struct settings *settings, int pool_fd, int claims_fd, const struct place *place,
		  uint32_t project, int *ret_fd, struct error *err);

/* Put it, and all that is in it, there; `fd` is what place_drifted() gave, `id` the container's. */
int place_tag(int pool_fd, const char *id, const struct place *place, int fd, uint32_t project, struct error *err);

#endif
