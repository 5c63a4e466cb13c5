/*
 * Containers of Kubernetes' pods: a pod is one sandbox, whatever it is made of. Its budget and its record are those of
 * its pod sandbox (the container that an engine makes first and removes last), and each of its containers is noted:
 *
 *     pods/<container id> -> "<pod sandbox's id> <namespace>/<pod>[/<container> [<sysbox-mgr>]]"
 *
 * for as long as the runtime has it. The pod sandbox's own note has no container's name. The pod's record tells which
 * sysbox-mgr saw the last start in it; of each of its containers that is noted here (none by an older berth), as one that
 * came since says nothing of the others.
 */
#ifndef SANDBOX_PODS_H
#define SANDBOX_PODS_H

#include "base/error.h"

struct pod_container {
	char *id;
	char *sandbox; /* id of the pod's sandbox */
	char *name;    /* "namespace/pod" or "namespace/pod/container" */
	uint64_t mgr;  /* record_mgr() of its start; 0: not known, or the pod sandbox itself */
};

#define POD_CONTAINER_INIT ((struct pod_container){ 0 })
void pod_container_release(struct pod_container *container);

struct pod_containers {
	struct pod_container *items; /* by sandbox, then by name: the pod sandbox's own first */
	size_t len;
};

#define POD_CONTAINERS_INIT ((struct pod_containers){ 0 })
void pod_containers_release(struct pod_containers *list);

int pod_note(int pool_fd, const char *id, const char *sandbox, const char *name, uint64_t mgr, struct error *err);
void pod_forget(int pool_fd, const char *id);

/* 1, or 0: no pod has such a container. */
int pod_find(int pool_fd, const char *id, struct pod_container *ret, struct error *err);

int pod_containers_read(int pool_fd, struct pod_containers *ret, struct error *err);

/*
 * Does a container of that sandbox run on that was started under another sysbox-mgr than `mgr`? One of its name that came
 * since has taken its place: an engine may keep what has ended.
 */
bool pod_is_older(const struct pod_containers *list, const char *sandbox, uint64_t mgr);

/* "namespace/pod/first,second" of the containers of a sandbox; NULL: it is no pod's. free() it. */
char *pod_name(const struct pod_containers *list, const char *sandbox);

#endif
