/* An engine restarted under its containers: whose end is its own, and whose is the restart's. */
#include "change_fixture.h"

#include "change/engine_restart.h"
#include "cri_fixture.h"

#define UNIT   "containerd.service"
#define SOCKET "/c.sock"
#define MOST   3

struct end {
	bool gone;	   /* its first process is, when the engine answers again */
	const char *reason; /* as the engine tells it then */
	int code;
	bool removed; /* the engine knows no such container any more */
};

/* What the engine answers, in the order in which it is asked. */
static struct {
	Cri__ListPodSandboxResponse pods;
	Cri__ListContainersResponse list;
	Cri__Container items[MOST], *containers[MOST];
	Cri__ContainerStatusResponse before[MOST], after[MOST];
	Cri__ContainerStatus ends[MOST];
	Cri__Entry info[MOST], *infos[MOST];
	Cri__VersionResponse version;
	Cri__StatusResponse status;
	char pid[MOST][32];
} said;
static pid_t pids[MOST];

static char text[][16] = { "a", "b", "c", "info", "containerd", "v2.2.2" };

static void run_containers(const struct end *ends, size_t n)
{
	_cleanup_(strbuf_release) struct strbuf victims = STRBUF_INIT;

	for (size_t i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)pause();
			_exit(0);
		}
		if (ends[i].gone)
			strbuf_printf(&victims, "%d ", (int)pids[i]);
	}
	put("/victims", strbuf_str(&victims));
	put_program("systemctl", "case \" $* \" in *' restart '*) for p in $(cat \"$HOST_ROOT/victims\"); do kill -9 $p; done;; esac");
}

static void a_container(size_t i, const struct end *end)
{
	cri__container__init(&said.items[i]);
	said.items[i].id = text[i];
	said.items[i].state = CRI__CONTAINER_STATE__CONTAINER_RUNNING;
	said.containers[i] = &said.items[i];
	(void)snprintf(said.pid[i], sizeof(said.pid[i]), "{\"pid\": %d}", (int)pids[i]);
	cri__entry__init(&said.info[i]);
	said.info[i].key = text[3];
	said.info[i].value = said.pid[i];
	said.infos[i] = &said.info[i];
	cri__container_status_response__init(&said.before[i]);
	said.before[i].info = &said.infos[i];
	said.before[i].n_info = 1;
	cri__container_status__init(&said.ends[i]);
	said.ends[i].state = CRI__CONTAINER_STATE__CONTAINER_EXITED;
	said.ends[i].exit_code = end->code;
	if (end->reason)
		said.ends[i].reason = (char *)(uintptr_t)end->reason;
	cri__container_status_response__init(&said.after[i]);
	said.after[i].status = &said.ends[i];
}

static int restart(const struct end *ends, size_t n, size_t *ret_pods, struct error *err)
{
	_cleanup_(fake_stop) struct fake_server server;
	const struct cri_engine engine = { UNIT, SOCKET };
	struct cri_reply replies[4 + 2 * MOST];
	size_t len = 0;
	int r;

	run_containers(ends, n);
	for (size_t i = 0; i < n; i++)
		a_container(i, &ends[i]);
	cri__list_pod_sandbox_response__init(&said.pods);
	cri__list_containers_response__init(&said.list);
	said.list.containers = said.containers;
	said.list.n_containers = n;
	cri__version_response__init(&said.version);
	said.version.runtime_name = text[4];
	said.version.runtime_version = text[5];
	cri__status_response__init(&said.status);
	replies[len++] = (struct cri_reply){ .message = &said.pods.base, .status = "0" };
	replies[len++] = (struct cri_reply){ .message = &said.list.base, .status = "0" };
	for (size_t i = 0; i < n; i++)
		replies[len++] = (struct cri_reply){ .message = &said.before[i].base, .status = "0" };
	replies[len++] = (struct cri_reply){ .message = &said.version.base, .status = "0" };
	replies[len++] = (struct cri_reply){ .message = &said.status.base, .status = "0" };
	for (size_t i = 0; i < n; i++) {
		if (ends[i].gone)
			replies[len++] = ends[i].removed ? (struct cri_reply){ .status = "5", .text = "not found" } :
							   (struct cri_reply){ .message = &said.after[i].base, .status = "0" };
	}
	cri_start(&server, real(SOCKET), replies, len);
	r = engine_restart(&ctx, &engine, ret_pods, err);
	for (size_t i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	return r;
}

static void whose_end_it_is(void **state)
{
	static const struct {
		struct end ends[MOST];
		const char *says; /* NULL: nothing is held against the restart */
	} CASES[] = {
		{ { { 0 }, { 0 }, { 0 } }, NULL },
		/* A Job, an init container: with an exit code of its own. */
		{ { { .gone = true, .reason = "Completed" }, { 0 }, { 0 } }, NULL },
		{ { { .gone = true, .reason = "Error", .code = 1 }, { .gone = true, .reason = "Completed" }, { 0 } }, NULL },
		{ { { .gone = true, .reason = "Error", .code = 255 }, { 0 }, { 0 } }, NULL },
		{ { { .gone = true, .reason = "OOMKilled", .code = 137 }, { 0 }, { 0 } }, NULL },
		/* Its pod was deleted meanwhile. */
		{ { { .gone = true, .removed = true }, { 0 }, { 0 } }, NULL },
		/* With the engine's unit, or with its shim. */
		{ { { .gone = true, .reason = "Error", .code = 137 }, { 0 }, { 0 } }, "1 of 3 containers" },
		{ { { .gone = true, .reason = "Error", .code = 143 }, { 0 }, { 0 } }, "1 of 3 containers" },
		{ { { .gone = true, .reason = "Unknown", .code = 255 }, { .gone = true, .reason = "Completed" }, { 0 } },
		  "1 of 3 containers" },
		/* All of them: whatever they say. */
		{ { { .gone = true, .reason = "Completed" }, { .gone = true, .reason = "Completed" },
		    { .gone = true, .reason = "Completed" } }, "3 of 3 containers" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct error err = ERROR_INIT;
		size_t pods = 0;
		int r = restart(CASES[i].ends, MOST, &pods, &err);

		if (r != (CASES[i].says ? -ECHILD : 0) || pods != MOST ||
		    (CASES[i].says && !strstr(err.message, CASES[i].says)))
			fail_msg("case %zu gives %d of %zu: %s", i, r, pods, err.message);
	}
}

/* The only one there is: nothing but its own word to go by. */
static void the_only_one(void **state)
{
	static const struct end OWN = { .gone = true, .reason = "Completed" }, KILLED = { .gone = true, .code = 137 };
	struct error err = ERROR_INIT;
	size_t pods = 0;

	assert_int_equal(restart(&OWN, 1, &pods, &err), 0);
	assert_int_equal(restart(&KILLED, 1, &pods, &err), -ECHILD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(whose_end_it_is),
		change_test(the_only_one),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	cri_forget();
	return r;
}
