/*
 * Containers stopped all at once, as dockerd stops them itself where live-restore does not keep them:
 * each is sent its own stop signal, and killed when its own time to stop is over (10 s where it has
 * none). Deadlines and errors as docker.h says.
 */
#ifndef ENGINE_DOCKER_STOP_H
#define ENGINE_DOCKER_STOP_H

#include "engine/docker.h"

/* Those that are gone, or do not run, are fine. The first error, after all were tried. */
int docker_stop_all(const struct docker *docker, const struct strv *ids,
		    const struct progress *progress, struct error *err);

#endif
