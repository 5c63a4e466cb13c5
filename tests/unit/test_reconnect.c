#include "host_fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "agent/reconnect.h"

static struct agent_options options;
static struct agent agent;
static struct spec before;
static unsigned short port;

static struct sockaddr_in at(const char *address)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = inet_addr(address) };
}

static bool answers(const char *address)
{
	struct sockaddr_in sa = at(address);
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
}

static unsigned short free_port(void)
{
	struct sockaddr_in sa = at("127.0.0.1");
	socklen_t len = sizeof(sa);
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_port = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

static void set(struct spec *spec, const char *address, const char *more)
{
	_cleanup_free_ char *text = xasprintf("agent: {listen: '%s:%u'}\n%s", address, port, more);

	must(spec_parse(text, strlen(text), "settings", spec, &must_err));
}

/* At 127.0.0.1, and told to go elsewhere. */
static int change(const char *address, const char *more, struct error *err)
{
	set(&before, "127.0.0.1", "");
	set(&agent.spec, "127.0.0.1", "");
	must(server_open(&agent, agent.spec.agent.listen, &must_err));
	assert_true(answers("127.0.0.1") && !answers("127.0.0.2"));
	spec_release(&agent.spec);
	set(&agent.spec, address, more);
	return reconnect(&agent, &before, err);
}

static int setup(void **state)
{
	(void)state;
	port = free_port();
	options = (struct agent_options){ 0 };
	agent = (struct agent){ .options = &options, .host = HOST_INIT, .base = event_base_new() };
	return agent.base ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	server_close(&agent);
	spec_release(&agent.spec);
	spec_release(&before);
	event_base_free(agent.base);
	return 0;
}

static void to_all_addresses(void **state)
{
	must(change("0.0.0.0", "", &must_err));
	assert_true(answers("127.0.0.1") && answers("127.0.0.2"));
}

static void to_another_address(void **state)
{
	must(change("127.0.0.2", "", &must_err));
	assert_true(!answers("127.0.0.1") && answers("127.0.0.2"));
}

/* 192.0.2.0/24 is for documents: no machine has it. */
static void to_one_that_is_not_there(void **state)
{
	struct error err = ERROR_INIT;

	assert_true(change("192.0.2.1", "", &err) < 0);
	assert_says(err.message, "answer at 192.0.2.1");
	assert_true(answers("127.0.0.1"));
}

static void something_else_is_wrong(void **state)
{
	struct error err = ERROR_INIT;

	options.node_name = "n1";
	assert_true(change("0.0.0.0", "kubernetes: {server: 'https://127.0.0.1:1', credentials: /nowhere}\n", &err) < 0);
	assert_null(agent.kube);
	assert_true(answers("127.0.0.1") && !answers("127.0.0.2"));
}

#define reconnect_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		reconnect_test(to_all_addresses),
		reconnect_test(to_another_address),
		reconnect_test(to_one_that_is_not_there),
		reconnect_test(something_else_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
