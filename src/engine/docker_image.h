/*
 * Images of the Docker Engine: load one, remove one. Deadlines and errors as docker.h says.
 */
#ifndef ENGINE_DOCKER_IMAGE_H
#define ENGINE_DOCKER_IMAGE_H

#include "engine/docker.h"
#include "engine/http.h"

/* A docker-save archive, in memory or from a callback. What the engine reports in its 200 counts.
 */
int docker_image_load(const struct docker *docker, const void *tar, size_t len, uint64_t timeout_ms,
		      struct error *err);
int docker_image_load_from(const struct docker *docker, http_source_fn source, void *source_data,
			   uint64_t timeout_ms, struct error *err);

/* With `force` although containers use it or it has other tags. An absent one is fine. */
int docker_image_remove(const struct docker *docker, const char *ref, bool force,
			uint64_t timeout_ms, struct error *err);

#endif
