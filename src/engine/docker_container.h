/*
 * One container of the Docker Engine, from create to remove. Deadlines and errors as docker.h says.
 */
#ifndef ENGINE_DOCKER_CONTAINER_H
#define ENGINE_DOCKER_CONTAINER_H

#include "base/strbuf.h"
#include "engine/docker.h"

/* `name` may be NULL; `config` is the API's body, borrowed. free() ret_id. */
int docker_container_create(const struct docker *docker, const char *name, const json_t *config,
			    uint64_t timeout_ms, char **ret_id, struct error *err);

/* All that the engine tells of it, running or not: an object; json_decref() it. */
int docker_container_look(const struct docker *docker, const char *id, uint64_t timeout_ms,
			  json_t **ret, struct error *err);

/* Name of the runtime it is for ("runc", "sysbox-runc"); "" for the engine's default. free() it. */
int docker_container_runtime(const struct docker *docker, const char *id, uint64_t timeout_ms,
			     char **ret, struct error *err);

/* A running one is fine. */
int docker_container_start(const struct docker *docker, const char *id, uint64_t timeout_ms,
			   struct error *err);

/* Until it does not run; ret_status: its exit status. -ETIMEDOUT: it still runs. */
int docker_container_wait(const struct docker *docker, const char *id, uint64_t timeout_ms,
			  int64_t *ret_status, struct error *err);

/*
 * What it has printed so far, the first `cap` bytes of each stream added to `out` and `err_out`
 * (the rest is read and dropped). Of a container with a terminal all is in `out`.
 */
int docker_container_logs(const struct docker *docker, const char *id, size_t cap,
			  uint64_t timeout_ms, struct strbuf *out, struct strbuf *err_out,
			  struct error *err);

/* Killed if it runs, with its anonymous volumes. An absent one is fine. */
int docker_container_remove(const struct docker *docker, const char *id, uint64_t timeout_ms,
			    struct error *err);

#endif
