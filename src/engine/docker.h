/*
 * The Docker Engine by its API, on its Unix socket. Written for 20.10 (API 1.41) to 29.
 *
 * Paths carry no version: the engine then answers in its own newest one, and each of these releases
 * takes that. What is read of an answer is only what all of them have.
 *
 * Containers and images are in docker_container.h and docker_image.h; all of it works alike:
 *
 * Every call has a deadline `timeout_ms` (0: DOCKER_TIMEOUT_DEFAULT) and one connection. Errors:
 * what the engine itself says, as "docker: MESSAGE" behind what was asked; -ENOENT: docker is not
 * running (no socket), or, from it, no such container or image; -ECONNREFUSED: a socket nobody
 * listens at; -EEXIST: a name taken, -EBUSY: another conflict; -EINVAL: a request it refuses; -EIO:
 * its own failure; -EPROTO: not an answer of Docker's; -ETIMEDOUT and the others of engine/http.h.
 *
 * Names and references that could not be one (anything but letters, digits and "_.-", for images
 * "/:@" too) are refused with -EINVAL before anything is asked.
 */
#ifndef ENGINE_DOCKER_H
#define ENGINE_DOCKER_H

#include "base/json.h"
#include "base/progress.h"
#include "base/strv.h"
#include "host/host.h"

#define DOCKERS_OWN_CONTAINERD "/run/docker/containerd/containerd.sock" /* of a dockerd that found no other */
#define DOCKER_SOCKET	       "/run/docker.sock"
#define DOCKER_TIMEOUT_DEFAULT 30000 /* ms */

struct docker {
	char *socket; /* as this process sees it */
};

#define DOCKER_INIT ((struct docker){ 0 })

/* The host's engine. -ENOENT "docker is not running" where the socket is absent. */
int docker_open(const struct host *host, struct docker *ret, struct error *err);
void docker_release(struct docker *docker);

int docker_ping(const struct docker *docker, uint64_t timeout_ms, struct error *err);

/* Is a dockerd that does not answer yet on its way up? Asked once a second at most. */
typedef bool (*docker_coming_fn)(void *userdata);

/*
 * Ask until it answers OK; neither an absent socket nor a refused connection or 5xx ends the
 * waiting before the deadline (-ETIMEDOUT, with the last reason), but `coming` (NULL: always) does
 * (-ENOTCONN). `socket` as this process sees it.
 */
int docker_wait_ready(const char *socket, uint64_t timeout_ms, docker_coming_fn coming, void *userdata,
		      const struct progress *progress, struct error *err);

/* GET /version and /info: objects; json_decref() them. */
int docker_version(const struct docker *docker, uint64_t timeout_ms, json_t **ret,
		   struct error *err);
int docker_info(const struct docker *docker, uint64_t timeout_ms, json_t **ret, struct error *err);

struct docker_container {
	char *id;	   /* 64 hexadecimal digits */
	struct strv names; /* without the leading slash */
	char *image;
	char *state;	/* "running", "exited", "created"... */
	char *runtime;	/* NULL without DOCKER_LIST_RUNTIME */
	json_t *labels; /* an object, perhaps empty */
};

struct docker_containers {
	struct docker_container *items;
	size_t len;
};

#define DOCKER_CONTAINERS_INIT ((struct docker_containers){ 0 })
void docker_containers_release(struct docker_containers *list);

enum docker_list_flags {
	DOCKER_LIST_ALL = 1,	 /* stopped ones too */
	DOCKER_LIST_RUNTIME = 2, /* a request for each; waits for a container in transition */
};

int docker_list(const struct docker *docker, unsigned flags, uint64_t timeout_ms,
		struct docker_containers *ret, struct error *err);

/* All containers, running or not, as the engine tells it: an array; json_decref() it. */
int docker_list_json(const struct docker *docker, uint64_t timeout_ms, json_t **ret,
		     struct error *err);

#endif
