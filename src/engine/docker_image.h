/*
 * Images of the Docker Engine: list, load, tag, remove. Deadlines and errors as docker.h says.
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

/* GET /images/json, intermediate ones too: an array; json_decref() it. */
int docker_images(const struct docker *docker, uint64_t timeout_ms, json_t **ret,
		  struct error *err);

/* GET /images/REF/json: an object; json_decref() it. */
int docker_image_inspect(const struct docker *docker, const char *ref, uint64_t timeout_ms,
			 json_t **ret, struct error *err);

/*
 * Remove a tag, and with the last one the image, or an image by its id; never by force: -EBUSY
 * where it is in use, -ENOENT where it is gone. With `parents` those without a name that nothing
 * else is made of go with it.
 */
int docker_image_delete(const struct docker *docker, const char *ref, bool parents,
			uint64_t timeout_ms, struct error *err);

/* Give the image another tag, "repo:tag". */
int docker_image_tag(const struct docker *docker, const char *ref, const char *tag,
		     uint64_t timeout_ms, struct error *err);

#endif
