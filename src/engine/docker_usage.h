/*
 * What the Docker Engine's images and build cache take, and build cache removed. Deadlines and
 * errors as docker.h says.
 */
#ifndef ENGINE_DOCKER_USAGE_H
#define ENGINE_DOCKER_USAGE_H

#include "engine/docker.h"

/* `version`: the answer to GET /version. The engine's API is 1.N: that N; 0 where it cannot be
 * told. */
unsigned docker_api_minor(const json_t *version);

/*
 * GET /system/df: an object with "BuildCache"; json_decref() it. Before API 1.42 the engine adds up
 * containers and volumes for it as well, which takes its time.
 */
int docker_build_cache(const struct docker *docker, unsigned api_minor, uint64_t timeout_ms,
		       json_t **ret, struct error *err);

/* Bytes of all layers of all images, each counted once. -EOPNOTSUPP before API 1.42. */
int docker_layers_size(const struct docker *docker, unsigned api_minor, uint64_t timeout_ms,
		       uint64_t *ret, struct error *err);

/*
 * Remove build cache that no build uses and none has for so long. Answer: an object with
 * "CachesDeleted" (null: none) and "SpaceReclaimed"; json_decref() it.
 */
int docker_build_prune(const struct docker *docker, uint64_t unused_s, uint64_t timeout_ms,
		       json_t **ret, struct error *err);

#endif
