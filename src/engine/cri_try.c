/* A real pod sandbox, run and removed: what a kubelet would ask for, less the containers. */
#include <inttypes.h>
#include <sys/random.h>

#include "engine/cri.h"
#include "cri.pb-c.h"
#include "engine/grpc.h"

#define SERVICE	       "/runtime.v1.RuntimeService/"
#define TRY_TIMEOUT_MS 120000
#define IDS	       65536U
/* Far above what kubelet hands out (from 65536 on, 110 pods by default) and what users of a machine have. */
#define FIRST_ID (0x7fff0000U - IDS)

static int end(const char *socket, const char *method, const ProtobufCMessage *request, struct error *err)
{
	ProtobufCMessage *answer = NULL;
	const struct grpc_call call = {
		.socket = socket, .method = method, .request = request, .answer = &cri__nothing__descriptor,
		.timeout_ms = TRY_TIMEOUT_MS,
	};
	int r = grpc_ask(&call, &answer, err);

	protobuf_c_message_free_unpacked(answer, NULL);
	return r;
}

/* A kubelet ends what it has not started, sooner or later: then it is gone already. */
int cri_pod_remove(const char *socket, const char *id, struct error *err)
{
	Cri__StopPodSandboxRequest stop;
	Cri__RemovePodSandboxRequest removal;
	_cleanup_free_ char *copy = strdup(id);
	int r;

	if (!copy)
		return error_errno(err, ENOMEM, "remove the pod sandbox %s", id);
	cri__stop_pod_sandbox_request__init(&stop);
	cri__remove_pod_sandbox_request__init(&removal);
	stop.pod_sandbox_id = removal.pod_sandbox_id = copy;
	r = end(socket, SERVICE "StopPodSandbox", &stop.base, err);
	if (r == 0 || r == -ENOENT)
		r = end(socket, SERVICE "RemovePodSandbox", &removal.base, err);
	return r == -ENOENT ? 0 : r;
}

static int run(const char *socket, Cri__PodSandboxConfig *config, char *handler, struct error *err)
{
	Cri__RunPodSandboxRequest request;
	const struct grpc_call call = {
		.socket = socket,
		.method = SERVICE "RunPodSandbox",
		.request = &request.base,
		.answer = &cri__run_pod_sandbox_response__descriptor,
		.timeout_ms = TRY_TIMEOUT_MS,
	};
	ProtobufCMessage *answer = NULL;
	int r;

	cri__run_pod_sandbox_request__init(&request);
	request.config = config;
	request.runtime_handler = handler;
	r = grpc_ask(&call, &answer, err);
	if (r == 0)
		r = cri_pod_remove(socket, ((Cri__RunPodSandboxResponse *)(void *)answer)->pod_sandbox_id, err);
	protobuf_c_message_free_unpacked(answer, NULL);
	return r;
}

/* A user namespace of its own, and all other namespaces too, as `hostUsers: false` asks for. */
struct security {
	Cri__IDMapping mapping, *mappings[1];
	Cri__UserNamespace user;
	Cri__NamespaceOption namespaces;
	Cri__LinuxSandboxSecurityContext context;
	Cri__LinuxPodSandboxConfig on_linux;
};

static void security_init(struct security *s, char *cgroup_parent)
{
	cri__idmapping__init(&s->mapping);
	s->mapping.host_id = FIRST_ID;
	s->mapping.length = IDS;
	s->mappings[0] = &s->mapping;
	cri__user_namespace__init(&s->user);
	s->user.mode = CRI__NAMESPACE_MODE__POD;
	s->user.uids = s->user.gids = s->mappings;
	s->user.n_uids = s->user.n_gids = 1;
	cri__namespace_option__init(&s->namespaces);
	s->namespaces.pid = CRI__NAMESPACE_MODE__CONTAINER;
	s->namespaces.userns_options = &s->user;
	cri__linux_sandbox_security_context__init(&s->context);
	s->context.namespace_options = &s->namespaces;
	cri__linux_pod_sandbox_config__init(&s->on_linux);
	s->on_linux.security_context = &s->context;
	s->on_linux.cgroup_parent = cgroup_parent;
}

int cri_try_sandbox(const char *socket, const char *handler, bool systemd_cgroup, struct error *err)
{
	struct security security;
	Cri__PodSandboxMetadata metadata;
	Cri__PodSandboxConfig config;
	char name[] = "berth-verify", namespace[] = "berth", slice[] = "system.slice", group[] = "/berth-verify", uid[32];
	_cleanup_free_ char *wanted = strdup(handler);
	uint64_t random;

	if (!wanted || getrandom(&random, sizeof(random), 0) != sizeof(random))
		return error_errno(err, wanted ? errno : ENOMEM, "try a pod sandbox");
	(void)snprintf(uid, sizeof(uid), "berth-%016" PRIx64, random);
	security_init(&security, systemd_cgroup ? slice : group);
	cri__pod_sandbox_metadata__init(&metadata);
	metadata.name = name;
	metadata.namespace_ = namespace;
	metadata.uid = uid;
	cri__pod_sandbox_config__init(&config);
	config.metadata = &metadata;
	config.hostname = name;
	config.on_linux = &security.on_linux;
	return run(socket, &config, wanted, err);
}
