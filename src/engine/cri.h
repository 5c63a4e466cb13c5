/*
 * A container engine that serves a kubelet, asked over the Container Runtime Interface: containerd, CRI-O.
 *
 * What it says is of the engine that runs, not of its files: its handlers, its settings, its pods. Errors are those of
 * grpc_ask(); -EOPNOTSUPP: the engine is there and serves no kubelet (containerd with the plugin disabled).
 */
#ifndef ENGINE_CRI_H
#define ENGINE_CRI_H

#include "base/error.h"
#include "base/json.h"

struct cri_handler {
	char *name; /* "" is the default one, which has a name besides */
	bool user_namespaces;
};

struct cri_status {
	char *name;    /* "containerd", "cri-o" */
	char *version; /* "v2.2.2", as it says it */
	bool ready;    /* takes pods: runtime and network */
	char *reason;  /* why it does not, or NULL */
	struct cri_handler *handlers;
	size_t handler_count;
	json_t *config; /* its settings in force; NULL where it tells none */
};

#define CRI_STATUS_INIT ((struct cri_status){ 0 })
void cri_status_release(struct cri_status *status);
int cri_status(const char *socket, struct cri_status *ret, struct error *err);

/* NULL: it has none of that name. */
const struct cri_handler *cri_handler_find(const struct cri_status *status, const char *name);

struct cri_container {
	char *id;
	char *pod;  /* id of its pod's sandbox */
	char *name; /* as the pod has it */
	bool running;
};

struct cri_pod {
	char *id;
	char *namespace, *name, *uid; /* as the API server knows it */
	char *handler; /* "" for the default */
	bool ready;
};

struct cri_pods {
	struct cri_pod *items;
	size_t len;
	struct cri_container *containers;
	size_t container_count;
};

#define CRI_PODS_INIT ((struct cri_pods){ 0 })
void cri_pods_release(struct cri_pods *pods);

/* Every pod sandbox and every container, those that have ended too. */
int cri_pods(const char *socket, struct cri_pods *ret, struct error *err);

/* Process id of a container's first process, in the engine's namespace; 0: it has none now. */
int cri_container_pid(const char *socket, const char *id, pid_t *ret, struct error *err);

/* How a container ended, as its engine tells it. */
struct cri_exit {
	bool exited;
	bool killed; /* by SIGKILL or SIGTERM, though not for want of memory; or the engine lost sight of its end */
	int code;
};

/* -ENOENT: it is not there any more. */
int cri_container_exit(const char *socket, const char *id, struct cri_exit *ret, struct error *err);

/* Stop a pod's sandbox and all in it at once, and remove it. One that is gone already is fine. */
int cri_pod_remove(const char *socket, const char *id, struct error *err);

/*
 * Run a pod's sandbox by a handler, in a user namespace of its own, and remove it again. The engine needs its network
 * and its pause image for that, as for any pod. `systemd_cgroup`: the handler leaves cgroups to systemd.
 */
int cri_try_sandbox(const char *socket, const char *handler, bool systemd_cgroup, struct error *err);

#endif
