#include "engine/cri.h"

#include <signal.h>

#include "cri.pb-c.h"
#include "engine/grpc.h"

#define SERVICE "/runtime.v1.RuntimeService/"

/*
 * `request` is an initialised message, the answer one of that type, to be freed by
 * protobuf_c_message_free_unpacked().
 */
static int ask(const char *socket, const char *method, const void *request,
	       const ProtobufCMessageDescriptor *answer, void *ret, struct error *err)
{
	const struct grpc_call call = {
		.socket = socket,
		.method = method,
		.request = request,
		.answer = answer,
	};

	return grpc_ask(&call, ret, err);
}

static void message_freep(void *message)
{
	protobuf_c_message_free_unpacked(*(ProtobufCMessage **)message, NULL);
}
#define _cleanup_message_ _cleanup_(message_freep)

void cri_status_release(struct cri_status *status)
{
	for (size_t i = 0; i < status->handler_count; i++)
		free(status->handlers[i].name);
	free(status->handlers);
	free(status->name);
	free(status->version);
	free(status->reason);
	json_decref(status->config);
	*status = CRI_STATUS_INIT;
}

const struct cri_handler *cri_handler_find(const struct cri_status *status, const char *name)
{
	for (size_t i = 0; i < status->handler_count; i++) {
		if (strcmp(status->handlers[i].name, name) == 0)
			return &status->handlers[i];
	}
	return NULL;
}

static const char *entry_of(Cri__Entry *const *entries, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(entries[i]->key, key) == 0)
			return entries[i]->value;
	}
	return NULL;
}

static int take_conditions(const Cri__StatusResponse *answer, struct cri_status *ret)
{
	const Cri__RuntimeStatus *status = answer->status;

	ret->ready = true;
	for (size_t i = 0; status && i < status->n_conditions; i++) {
		const Cri__RuntimeCondition *c = status->conditions[i];

		/* Others than these two are the engine's own, and none of them keeps a pod away. */
		if (c->status || (strcmp(c->type, "RuntimeReady") != 0 && strcmp(c->type, "NetworkReady") != 0))
			continue;
		ret->ready = false;
		free(ret->reason);
		ret->reason = strdup(*c->message ? c->message : c->type);
		if (!ret->reason)
			return -ENOMEM;
	}
	return 0;
}

static int take_handlers(const Cri__StatusResponse *answer, struct cri_status *ret)
{
	ret->handlers = calloc(answer->n_runtime_handlers + 1, sizeof(*ret->handlers));
	for (size_t i = 0; ret->handlers && i < answer->n_runtime_handlers; i++) {
		const Cri__RuntimeHandler *h = answer->runtime_handlers[i];
		char *name = strdup(h->name);

		if (!name)
			return -ENOMEM;
		ret->handlers[ret->handler_count++] = (struct cri_handler){
			.name = name, .user_namespaces = h->features && h->features->user_namespaces,
		};
	}
	return ret->handlers ? 0 : -ENOMEM;
}

static int ask_version(const char *socket, struct cri_status *ret, struct error *err)
{
	Cri__VersionRequest request;
	_cleanup_message_ Cri__VersionResponse *answer = NULL;
	int r;

	cri__version_request__init(&request);
	r = ask(socket, SERVICE "Version", &request, &cri__version_response__descriptor, &answer, err);
	if (r < 0)
		return r;
	ret->name = strdup(answer->runtime_name);
	ret->version = strdup(answer->runtime_version);
	return ret->name && ret->version ? 0 : error_errno(err, ENOMEM, "ask '%s'", socket);
}

int cri_status(const char *socket, struct cri_status *ret, struct error *err)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	Cri__StatusRequest request;
	_cleanup_message_ Cri__StatusResponse *answer = NULL;
	const char *config;
	int r = ask_version(socket, &status, err);

	cri__status_request__init(&request);
	request.verbose = true;
	if (r == 0)
		r = ask(socket, SERVICE "Status", &request, &cri__status_response__descriptor, &answer, err);
	if (r < 0)
		return r;
	r = take_conditions(answer, &status);
	if (r == 0)
		r = take_handlers(answer, &status);
	if (r < 0)
		return error_errno(err, r, "ask '%s'", socket);
	config = entry_of(answer->info, answer->n_info, "config");
	if (config)
		(void)json_parse(config, strlen(config), "the engine's settings", &status.config, NULL);
	*ret = status;
	status = CRI_STATUS_INIT;
	return 0;
}

void cri_pods_release(struct cri_pods *pods)
{
	for (size_t i = 0; i < pods->len; i++) {
		free(pods->items[i].id);
		free(pods->items[i].namespace);
		free(pods->items[i].name);
		free(pods->items[i].uid);
		free(pods->items[i].handler);
	}
	for (size_t i = 0; i < pods->container_count; i++) {
		free(pods->containers[i].id);
		free(pods->containers[i].pod);
		free(pods->containers[i].name);
	}
	free(pods->items);
	free(pods->containers);
	*pods = CRI_PODS_INIT;
}

static int take_pods(const Cri__ListPodSandboxResponse *answer, struct cri_pods *ret)
{
	ret->items = calloc(answer->n_items + 1, sizeof(*ret->items));
	for (size_t i = 0; ret->items && i < answer->n_items; i++) {
		const Cri__PodSandbox *p = answer->items[i];
		struct cri_pod *pod = &ret->items[ret->len++];

		pod->id = strdup(p->id);
		pod->namespace = strdup(p->metadata ? p->metadata->namespace_ : "");
		pod->name = strdup(p->metadata ? p->metadata->name : "");
		pod->uid = strdup(p->metadata ? p->metadata->uid : "");
		pod->handler = strdup(p->runtime_handler);
		pod->ready = p->state == CRI__POD_SANDBOX_STATE__SANDBOX_READY;
		if (!pod->id || !pod->namespace || !pod->name || !pod->uid || !pod->handler)
			return -ENOMEM;
	}
	return ret->items ? 0 : -ENOMEM;
}

/*
 * CRI-O (as of 1.34) has no handler in its list: only in a pod's status, in the annotations of the settings that its
 * runtime was given.
 */
static int ask_handler(const char *socket, struct cri_pod *pod, struct error *err)
{
	Cri__PodSandboxStatusRequest request;
	_cleanup_message_ Cri__PodSandboxStatusResponse *answer = NULL;
	_cleanup_json_ json_t *info = NULL;
	const char *text, *handler;
	int r;

	cri__pod_sandbox_status_request__init(&request);
	request.pod_sandbox_id = pod->id;
	request.verbose = true;
	r = ask(socket, SERVICE "PodSandboxStatus", &request, &cri__pod_sandbox_status_response__descriptor, &answer, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	text = entry_of(answer->info, answer->n_info, "info");
	if (text)
		(void)json_parse(text, strlen(text), "a pod's status", &info, NULL);
	handler = json_get_string(json_object_get(json_object_get(info, "runtimeSpec"), "annotations"),
				  "io.kubernetes.cri-o.RuntimeHandler");
	if (!handler)
		return 0;
	free(pod->handler);
	pod->handler = strdup(handler);
	return pod->handler ? 0 : error_errno(err, ENOMEM, "ask '%s'", socket);
}

static int ask_handlers(const char *socket, struct cri_pods *pods, struct error *err)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	int r = pods->len ? ask_version(socket, &status, err) : 0;

	for (size_t i = 0; r == 0 && status.name && strcmp(status.name, "cri-o") == 0 && i < pods->len; i++)
		r = ask_handler(socket, &pods->items[i], err);
	return r;
}

static int take_containers(const Cri__ListContainersResponse *answer, struct cri_pods *ret)
{
	ret->containers = calloc(answer->n_containers + 1, sizeof(*ret->containers));
	for (size_t i = 0; ret->containers && i < answer->n_containers; i++) {
		const Cri__Container *c = answer->containers[i];
		struct cri_container *container = &ret->containers[ret->container_count++];

		container->id = strdup(c->id);
		container->pod = strdup(c->pod_sandbox_id);
		container->name = strdup(c->metadata ? c->metadata->name : "");
		container->running = c->state == CRI__CONTAINER_STATE__CONTAINER_RUNNING;
		if (!container->id || !container->pod || !container->name)
			return -ENOMEM;
	}
	return ret->containers ? 0 : -ENOMEM;
}

int cri_pods(const char *socket, struct cri_pods *ret, struct error *err)
{
	_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
	Cri__ListPodSandboxRequest list_pods;
	Cri__ListContainersRequest list_containers;
	_cleanup_message_ Cri__ListPodSandboxResponse *sandboxes = NULL;
	_cleanup_message_ Cri__ListContainersResponse *containers = NULL;
	int r;

	cri__list_pod_sandbox_request__init(&list_pods);
	cri__list_containers_request__init(&list_containers);
	r = ask(socket, SERVICE "ListPodSandbox", &list_pods, &cri__list_pod_sandbox_response__descriptor,
		&sandboxes, err);
	if (r == 0)
		r = ask(socket, SERVICE "ListContainers", &list_containers,
			&cri__list_containers_response__descriptor, &containers, err);
	if (r < 0)
		return r;
	r = take_pods(sandboxes, &pods);
	if (r == 0)
		r = take_containers(containers, &pods);
	if (r < 0)
		return error_errno(err, r, "list the pods of '%s'", socket);
	r = ask_handlers(socket, &pods, err);
	if (r < 0)
		return r;
	*ret = pods;
	pods = CRI_PODS_INIT;
	return 0;
}

static int ask_container(const char *socket, const char *id, Cri__ContainerStatusResponse **ret, struct error *err)
{
	Cri__ContainerStatusRequest request;
	_cleanup_free_ char *copy = strdup(id);

	if (!copy)
		return error_errno(err, ENOMEM, "ask for container %s", id);
	cri__container_status_request__init(&request);
	request.container_id = copy;
	request.verbose = true;
	return ask(socket, SERVICE "ContainerStatus", &request, &cri__container_status_response__descriptor, ret, err);
}

int cri_container_pid(const char *socket, const char *id, pid_t *ret, struct error *err)
{
	_cleanup_message_ Cri__ContainerStatusResponse *answer = NULL;
	_cleanup_json_ json_t *info = NULL;
	const char *text;
	int r = ask_container(socket, id, &answer, err);

	if (r < 0)
		return r;
	/* Both engines put a JSON text with a "pid" there; its key is "info". */
	text = entry_of(answer->info, answer->n_info, "info");
	if (text)
		(void)json_parse(text, strlen(text), "a container's status", &info, NULL);
	*ret = (pid_t)json_get_int(info, "pid", 0);
	return 0;
}

/*
 * "Unknown", with 255, is containerd's word for a task that was gone when it came back: its shim was killed
 * (internal/cri/server/restart.go). CRI-O has no code where the monitor left none.
 */
static bool was_killed(const Cri__ContainerStatus *status)
{
	if (strcmp(status->reason, "OOMKilled") == 0)
		return false;
	return status->exit_code == 128 + SIGKILL || status->exit_code == 128 + SIGTERM || status->exit_code < 0 ||
	       strcmp(status->reason, "Unknown") == 0;
}

int cri_container_exit(const char *socket, const char *id, struct cri_exit *ret, struct error *err)
{
	_cleanup_message_ Cri__ContainerStatusResponse *answer = NULL;
	int r = ask_container(socket, id, &answer, err);
	const Cri__ContainerStatus *status = r == 0 ? answer->status : NULL;

	if (r < 0)
		return r;
	if (!status)
		return error_set(err, EPROTO, "'%s' tells nothing of container %s", socket, id);
	*ret = (struct cri_exit){ .exited = status->state == CRI__CONTAINER_STATE__CONTAINER_EXITED, .code = status->exit_code };
	ret->killed = ret->exited && was_killed(status);
	return 0;
}
