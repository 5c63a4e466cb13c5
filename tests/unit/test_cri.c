/* The Container Runtime Interface against a server that speaks just enough HTTP/2 to give one answer a connection. */
#include <setjmp.h>
#include <stdarg.h>

#include "engine/cri.h"

#include "engine/grpc.h"

#include <cmocka.h>

#include "cri_fixture.h"

#define SOCKET "/tmp/berth-test-cri.sock"

static void a_status(void **state)
{
	_cleanup_(fake_stop) struct fake_server server;
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	Cri__VersionResponse version;
	Cri__StatusResponse answer;
	Cri__RuntimeStatus runtime;
	Cri__RuntimeCondition condition, *conditions[] = { &condition };
	Cri__RuntimeHandlerFeatures features;
	Cri__RuntimeHandler handler, *handlers[] = { &handler };
	Cri__Entry entry, *entries[] = { &entry };
	char name[] = "containerd", number[] = "v2.2.2", sysbox[] = "sysbox-runc", type[] = "NetworkReady",
	     message[] = "cni plugin not initialized", key[] = "config", config[] = "{\"containerd\": {\"x\": 1}}";
	const struct cri_reply replies[] = { { .message = &version.base, .status = "0" },
					 { .message = &answer.base, .status = "0" } };
	struct error err = ERROR_INIT;

	cri__version_response__init(&version);
	version.runtime_name = name;
	version.runtime_version = number;
	cri__runtime_condition__init(&condition);
	condition.type = type;
	condition.message = message;
	cri__runtime_status__init(&runtime);
	runtime.conditions = conditions;
	runtime.n_conditions = 1;
	cri__runtime_handler_features__init(&features);
	features.user_namespaces = true;
	cri__runtime_handler__init(&handler);
	handler.name = sysbox;
	handler.features = &features;
	cri__entry__init(&entry);
	entry.key = key;
	entry.value = config;
	cri__status_response__init(&answer);
	answer.status = &runtime;
	answer.runtime_handlers = handlers;
	answer.n_runtime_handlers = 1;
	answer.info = entries;
	answer.n_info = 1;
	cri_start(&server, SOCKET, replies, 2);
	if (cri_status(SOCKET, &status, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(status.name, "containerd");
	assert_string_equal(status.version, "v2.2.2");
	assert_false(status.ready);
	assert_string_equal(status.reason, message);
	assert_true(cri_handler_find(&status, "sysbox-runc")->user_namespaces);
	assert_null(cri_handler_find(&status, "runc"));
	assert_int_equal(json_get_int(json_object_get(status.config, "containerd"), "x", 0), 1);
}

static int ask_version(const struct cri_reply *reply, struct error *err)
{
	_cleanup_(fake_stop) struct fake_server server;
	Cri__VersionRequest request;
	ProtobufCMessage *answer = NULL;
	const struct grpc_call call = { .socket = SOCKET,
					.method = "/runtime.v1.RuntimeService/Version",
					.request = &request.base,
					.answer = &cri__version_response__descriptor,
					.timeout_ms = 5000 };
	int r;

	cri__version_request__init(&request);
	cri_start(&server, SOCKET, reply, 1);
	r = grpc_ask(&call, &answer, err);
	protobuf_c_message_free_unpacked(answer, NULL);
	return r;
}

static void refusals(void **state)
{
	static const struct {
		struct cri_reply reply;
		int code;
		const char *says;
	} CASES[] = {
		{ { .status = "12", .text = "unknown service runtime.v1.RuntimeService" }, -EOPNOTSUPP, "unknown service" },
		{ { .status = "5", .text = "sandbox %22x%22 not found%0Aat all" }, -ENOENT, "sandbox \"x\" not found at all" },
		{ { .status = "14" }, -EBUSY, "no reason given" },
		{ { .status = "99", .text = "odd" }, -EPROTO, "odd" },
		{ { .status = NULL }, -EPROTO, "broke its answer" },
		{ { .status = "0" }, -EPROTO, "with no message" },
		{ { .status = "0", .http = "404" }, -EPROTO, "it is no engine of containers" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct error err = ERROR_INIT;
		int r = ask_version(&CASES[i].reply, &err);

		if (r != CASES[i].code || !strstr(err.message, CASES[i].says))
			fail_msg("case %zu gives %d: %s", i, r, err.message);
	}
}

static void nobody_there(void **state)
{
	static const struct fake_answer HTTP_1 = { .text = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n" };
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	_cleanup_(fake_stop) struct fake_server server;
	struct error err = ERROR_INIT;

	(void)unlink(SOCKET);
	assert_int_equal(cri_status(SOCKET, &status, &err), -ENOENT);
	fake_start(&server, SOCKET, &HTTP_1, 1);
	assert_true(cri_status(SOCKET, &status, &err) < 0);
	assert_null(status.name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status),
		cmocka_unit_test(refusals),
		cmocka_unit_test(nobody_there),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	cri_forget();
	(void)unlink(SOCKET);
	return r;
}
