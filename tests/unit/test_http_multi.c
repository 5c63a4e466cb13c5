#include "docker_fixture.h"

#include "base/clock.h"
#include "engine/http_multi.h"

/* A loop of poll(2). */
struct loop {
	struct http_multi *multi;
	struct pollfd fds[16];
	nfds_t count;
	uint64_t due; /* 0: no timer */
	int ended, last;
	long status;
	char body[64];
	struct error said;
};

static void watch(void *userdata, int fd, unsigned what)
{
	struct loop *loop = userdata;
	nfds_t i = 0;

	while (i < loop->count && loop->fds[i].fd != fd)
		i++;
	if (i == loop->count)
		loop->count++;
	assert_true(loop->count <= ARRAY_SIZE(loop->fds));
	loop->fds[i] = (struct pollfd){ .fd = fd };
	loop->fds[i].events = (short)((what & HTTP_READ ? POLLIN : 0) | (what & HTTP_WRITE ? POLLOUT : 0));
	if (!what)
		loop->fds[i] = loop->fds[--loop->count];
}

static void timer(void *userdata, long ms)
{
	struct loop *loop = userdata;

	loop->due = ms < 0 ? 0 : monotonic_ms() + (uint64_t)ms + 1;
}

static void turn(struct loop *loop)
{
	struct pollfd now[16];
	nfds_t count = loop->count;

	memcpy(now, loop->fds, sizeof(now));
	if (poll(now, count, 5) > 0) {
		for (nfds_t i = 0; i < count; i++) {
			if (now[i].revents)
				http_multi_ready(loop->multi, now[i].fd,
						 (now[i].revents & (POLLIN | POLLHUP | POLLERR) ? HTTP_READ : 0) |
							 (now[i].revents & POLLOUT ? HTTP_WRITE : 0));
		}
	}
	if (loop->due && monotonic_ms() >= loop->due) {
		loop->due = 0;
		http_multi_timeout(loop->multi);
	}
}

static void until(struct loop *loop, int ended)
{
	uint64_t give_up = monotonic_ms() + 20000;

	while (loop->ended < ended) {
		assert_true(monotonic_ms() < give_up);
		turn(loop);
	}
}

static void done(void *userdata, int r, const struct http_response *response, const struct error *err)
{
	struct loop *loop = userdata;

	loop->ended++;
	loop->last = r;
	loop->status = response->status;
	(void)snprintf(loop->body, sizeof(loop->body), "%s", strbuf_str(&response->body));
	loop->said = *err;
}

static int take(void *userdata, const struct http_response *so_far, const void *data, size_t len)
{
	(void)so_far;
	(void)data;
	*(size_t *)userdata += len;
	return 0;
}

#define LOOP(loop)                                                                             \
	struct loop loop = { 0 };                                                              \
	const struct http_hooks hooks = { watch, timer, &loop };                               \
	struct error err = ERROR_INIT;                                                         \
	assert_int_equal(http_multi_new(&hooks, &(loop).multi, &err), 0)

static void several_at_once(void **state)
{
	static const struct fake_answer ANSWERS[] = {
		{ .text = JSON("200 OK", "one"), .delay_ms = 50 },
		{ .text = JSON("404 Not Found", "two") },
		{ .text = JSON("200 OK", "three") },
	};
	struct engine *e = *state;
	_cleanup_(fake_stop) struct fake_server server;
	char url[] = "/x", type[] = "text/plain";
	struct http_request request = { .url = url, .socket_path = e->socket };
	size_t streamed = 0;
	LOOP(loop);

	fake_start(&server, e->socket, ANSWERS, ARRAY_SIZE(ANSWERS));
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	request.method = "POST";
	request.body = "body";
	request.body_len = 4;
	request.content_type = type;
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	url[1] = type[0] = '?'; /* both were copied */
	assert_int_equal(http_multi_pending(loop.multi), 2);
	assert_int_equal(loop.ended, 0);
	until(&loop, 2);
	assert_int_equal(http_multi_pending(loop.multi), 0);
	assert_int_equal(loop.last, 0);
	assert_int_equal(loop.status, 404);
	assert_string_equal(loop.body, "two");
	request = (struct http_request){ .url = "/y", .socket_path = e->socket, .sink = take, .sink_data = &streamed };
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	until(&loop, 3);
	assert_int_equal(streamed, 5);
	assert_true(fake_count(&server) == 3);
	http_multi_free(loop.multi);
}

static void failures_are_told(void **state)
{
	static const struct fake_answer ANSWERS[] = { { .text = "", .delay_ms = 5000 } };
	struct engine *e = *state;
	_cleanup_(fake_stop) struct fake_server server;
	struct http_request request = { .url = "/x", .socket_path = e->socket, .timeout_ms = 60 };
	LOOP(loop);

	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	until(&loop, 1);
	assert_int_equal(loop.last, -ENOENT);
	fake_start(&server, e->socket, ANSWERS, ARRAY_SIZE(ANSWERS));
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	until(&loop, 2);
	assert_int_equal(loop.last, -ETIMEDOUT);
	assert_non_null(strstr(loop.said.message, "GET /x at "));
	request = (struct http_request){ .url = "gopher://x" };
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	until(&loop, 3);
	assert_int_equal(loop.last, -EPROTO);
	http_multi_free(loop.multi);
}

static void cancelled_and_freed(void **state)
{
	static const struct fake_answer ANSWERS[] = { { .text = "", .delay_ms = 5000 } };
	struct engine *e = *state;
	_cleanup_(fake_stop) struct fake_server server;
	struct http_request request = { .url = "/x", .socket_path = e->socket };
	struct http_exchange *first, *second;
	LOOP(loop);

	fake_start(&server, e->socket, ANSWERS, ARRAY_SIZE(ANSWERS));
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, &first, &err), 0);
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, &second, &err), 0);
	assert_int_equal(http_multi_start(loop.multi, &request, done, &loop, NULL, &err), 0);
	for (int i = 0; i < 5; i++)
		turn(&loop);
	http_multi_cancel(second);
	http_multi_cancel(first);
	http_multi_cancel(NULL);
	assert_int_equal(http_multi_pending(loop.multi), 1);
	http_multi_free(loop.multi);
	assert_int_equal(loop.ended, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(several_at_once),
		engine_test(failures_are_told),
		engine_test(cancelled_and_freed),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
