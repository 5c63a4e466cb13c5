/* For tests of what asks Docker: a rooted host with a fake engine at its socket. */
#ifndef TESTS_DOCKER_FIXTURE_H
#define TESTS_DOCKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "engine/docker.h"
#include "fake_server.h"

#define JSON(status, body) \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
#define SERVE(...)                                                    \
	struct engine *e = *state;                                    \
	static const struct fake_answer answers[] = { __VA_ARGS__ };  \
	_cleanup_(fake_stop) struct fake_server server;               \
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT; \
	struct error err = ERROR_INIT;                                \
	fake_start(&server, e->socket, answers, ARRAY_SIZE(answers)); \
	assert_int_equal(docker_open(&e->host, &docker, &err), 0)

struct engine {
	struct host host;
	char dir[64];
	char socket[96];
};

__attribute__((unused)) static int setup(void **state)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -1;
	(void)snprintf(e->dir, sizeof(e->dir), "/tmp/berth-test-docker-XXXXXX");
	if (!mkdtemp(e->dir) || host_open_root(e->dir, &e->host, NULL) < 0)
		return -1;
	(void)snprintf(e->socket, sizeof(e->socket), "%s/run/docker.sock", e->dir);
	*state = e;
	return host_mkdirs(&e->host, "/run", 0755, NULL, NULL);
}

__attribute__((unused)) static int teardown(void **state)
{
	struct engine *e = *state;

	(void)unlink(e->socket);
	(void)host_rmdir(&e->host, "/run");
	(void)rmdir(e->dir);
	host_release(&e->host);
	free(e);
	return 0;
}

#define engine_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
