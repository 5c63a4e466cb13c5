#include <setjmp.h>
#include <stdarg.h>

#include "engine/http.h"
#include "fake_server.h"

#include <cmocka.h>

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define SERVE(server, ...)                                           \
	static const struct fake_answer answers[] = { __VA_ARGS__ }; \
	_cleanup_(fake_stop) struct fake_server server;              \
	fake_start(&server, NULL, answers, ARRAY_SIZE(answers))

static char *url_of(const struct fake_server *server, const char *path)
{
	static char url[512];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server->port, path);
	return url;
}

static int get(const char *url, struct http_response *ret, struct error *err)
{
	const struct http_request request = { .url = url, .timeout_ms = 5000 };

	return http_request(&request, ret, err);
}

static void test_get(void **state)
{
	SERVE(server, { .text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag:  \"a b\" \r\n"
				"Connection: close\r\n\r\nhello" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	const char *request;

	assert_int_equal(get(url_of(&server, "/x?y=1"), &response, NULL), 0);
	assert_int_equal(response.status, 200);
	assert_string_equal(strbuf_str(&response.body), "hello");
	assert_string_equal(http_header(&response, "etag"), "\"a b\"");
	assert_null(http_header(&response, "ETa"));
	assert_null(http_header(&response, "Location"));
	request = fake_request(&server, 0);
	assert_non_null(strstr(request, "GET /x?y=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "User-Agent: berth/"));
	assert_null(strstr(request, "Accept-Encoding"));
	assert_null(strstr(request, "Content-Type"));
}

static void test_status_is_no_error(void **state)
{
	SERVE(server, { .text = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n"
				"Connection: close\r\n\r\nbusy" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;

	assert_int_equal(get(url_of(&server, "/"), &response, NULL), 0);
	assert_int_equal(response.status, 503);
	assert_int_equal(response.retry_after_s, 7);
	assert_string_equal(strbuf_str(&response.body), "busy");
	assert_true(http_status_passing(503) && http_status_passing(429));
	assert_false(http_status_passing(404) || http_status_passing(200));
}

static void test_body_cap(void **state)
{
	SERVE(server, { .text = OK("123456789") });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	struct http_request request = { .url = url_of(&server, "/"), .body_cap = 9 };

	assert_int_equal(http_request(&request, &response, &err), 0);
	http_response_release(&response);
	request.body_cap = 8;
	assert_int_equal(http_request(&request, &response, &err), -EFBIG);
	assert_non_null(strstr(err.message, "larger than it may be"));
}

static int collect(void *userdata, const struct http_response *so_far, const void *data, size_t len)
{
	assert_int_equal(so_far->status, 200);
	strbuf_add(userdata, data, len);
	return 0;
}

static int refuse(void *userdata, const struct http_response *so_far, const void *data, size_t len)
{
	return -ENOSPC;
}

static void test_sink(void **state)
{
	SERVE(server, { .text = OK("first second") }, { .text = OK("again") },
	      { .text = "HTTP/1.1 404 No\r\nConnection: close\r\n\r\nnot here at all" });
	_cleanup_(strbuf_release) struct strbuf got = STRBUF_INIT;
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	struct http_request request = {
		.url = url_of(&server, "/"),
		.sink = collect,
		.sink_data = &got,
		.body_cap = 8,
	};

	assert_int_equal(http_request(&request, &response, &err), 0);
	assert_string_equal(strbuf_str(&got), "first second");
	assert_int_equal(response.body.len, 0);
	http_response_release(&response);
	request.sink = refuse;
	assert_int_equal(http_request(&request, &response, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "No space left"));
	http_response_release(&response);
	/* What is no success is not for the sink, and cut instead of refused. */
	assert_int_equal(http_request(&request, &response, &err), 0);
	assert_string_equal(strbuf_str(&response.body), "not here");
}

static void test_refused(void **state)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	int r = get("http://user:secret@127.0.0.1:1/path?token=secret", &response, &err);

	assert_int_equal(r, -ECONNREFUSED);
	assert_int_equal(err.code, ECONNREFUSED);
	assert_non_null(strstr(err.message, "GET http://127.0.0.1:1/path: "));
	assert_null(strstr(err.message, "secret"));
	assert_true(http_error_passing(r));
}

static void test_broken_off(void **state)
{
	SERVE(server, { .text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this" },
	      { .text = "" }, { .text = "HTTP/1.1 200 OK\r\nConte", .reset = true },
	      { .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly" });

	for (size_t i = 0; i < 4; i++) {
		_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
		struct error err = ERROR_INIT;

		assert_int_equal(get(url_of(&server, "/"), &response, &err), -ECONNRESET);
		assert_true(http_error_passing(-err.code));
	}
}

static void test_not_http(void **state)
{
	SERVE(server, { .text = "SSH-2.0-OpenSSH_9.2\r\n" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(get(url_of(&server, "/"), &response, &err), -EPROTO);
	assert_false(http_error_passing(-EPROTO));
}

static void test_times_out(void **state)
{
	SERVE(server, { .text = "", .hang = true },
	      { .text = OK("drip, drip, drip, drip, drip"), .between_ms = 100 });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	struct http_request request = { .url = url_of(&server, "/"), .timeout_ms = 200 };

	assert_int_equal(http_request(&request, &response, &err), -ETIMEDOUT);
	http_response_release(&response);
	request.timeout_ms = 20000;
	request.slow_s = 1;
	assert_int_equal(http_request(&request, &response, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "too slow"));
}

static void test_redirects(void **state)
{
	SERVE(server,
	      { .text = "HTTP/1.1 302 Go\r\nLocation: /there\r\nX-From: here\r\n"
			"Content-Length: 4\r\nConnection: close\r\n\r\ngone" },
	      { .text = OK("found") },
	      { .text = "HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\n"
			"Connection: close\r\n\r\n" },
	      { .text = "HTTP/1.1 302 Go\r\nLocation: /again\r\nConnection: close\r\n\r\n" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(get(url_of(&server, "/here"), &response, &err), 0);
	assert_string_equal(strbuf_str(&response.body), "found");
	assert_null(http_header(&response, "X-From"));
	assert_non_null(strstr(fake_request(&server, 1), "GET /there "));
	http_response_release(&response);
	assert_int_equal(get(url_of(&server, "/here"), &response, &err), -EPROTO);
	http_response_release(&response);
	assert_int_equal(get(url_of(&server, "/here"), &response, &err), -ELOOP);
	assert_int_equal(fake_count(&server), 3 + 11);
}

struct pieces {
	const char *const *next;
	int fail;
};

static ssize_t give(void *userdata, void *buf, size_t cap)
{
	struct pieces *pieces = userdata;
	size_t len;

	if (!*pieces->next)
		return pieces->fail;
	len = strlen(*pieces->next);
	assert_true(len <= cap);
	memcpy(buf, *pieces->next++, len);
	return (ssize_t)len;
}

static void test_bodies(void **state)
{
	static const char *const PIECES[] = { "one ", "two", NULL };
	SERVE(server, { .text = OK("") });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	const char *headers[] = { "X-Test: yes", NULL };
	struct pieces pieces = { PIECES, 0 };
	struct http_request request = {
		.method = "POST",
		.url = url_of(&server, "/"),
		.headers = headers,
		.content_type = "application/json",
		.body = "{\"a\":1}",
		.body_len = 7,
	};
	const char *got;

	assert_int_equal(http_request(&request, &response, NULL), 0);
	got = fake_request(&server, 0);
	assert_non_null(strstr(got, "POST / HTTP/1.1\r\n"));
	assert_non_null(strstr(got, "X-Test: yes\r\n"));
	assert_non_null(strstr(got, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(got, "\r\n\r\n{\"a\":1}"));
	assert_null(strstr(got, "Expect"));
	http_response_release(&response);

	request.body = NULL;
	request.body_len = 0;
	assert_int_equal(http_request(&request, &response, NULL), 0);
	got = fake_request(&server, 1);
	assert_non_null(strstr(got, "Content-Length: 0\r\n"));
	assert_null(strstr(got, "Content-Type"));
	http_response_release(&response);

	request.source = give;
	request.source_data = &pieces;
	request.source_len = HTTP_LENGTH_UNKNOWN;
	assert_int_equal(http_request(&request, &response, NULL), 0);
	got = fake_request(&server, 2);
	assert_non_null(strstr(got, "Transfer-Encoding: chunked\r\n"));
	assert_non_null(strstr(got, "4\r\none \r\n3\r\ntwo\r\n0\r\n"));
	http_response_release(&response);

	pieces = (struct pieces){ PIECES, 0 };
	request.source_len = 7;
	assert_int_equal(http_request(&request, &response, NULL), 0);
	assert_non_null(strstr(fake_request(&server, 3), "\r\n\r\none two"));
	http_response_release(&response);

	pieces = (struct pieces){ PIECES + 2, -EBADMSG };
	request.source_len = HTTP_LENGTH_UNKNOWN;
	assert_int_equal(http_request(&request, &response, NULL), -EBADMSG);
}

static void test_delete_and_head(void **state)
{
	SERVE(server, { .text = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n" },
	      { .text = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nConnection: close\r\n\r\n" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct http_request request = { .method = "DELETE", .url = url_of(&server, "/d") };

	assert_int_equal(http_request(&request, &response, NULL), 0);
	assert_int_equal(response.status, 204);
	assert_non_null(strstr(fake_request(&server, 0), "DELETE /d HTTP/1.1\r\n"));
	http_response_release(&response);
	request.method = "HEAD";
	assert_int_equal(http_request(&request, &response, NULL), 0);
	assert_string_equal(http_header(&response, "Content-Length"), "50");
}

static void test_header_caps(void **state)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct fake_answer answers[2] = { 0 };
	_cleanup_(fake_stop) struct fake_server server;
	size_t first;

	strbuf_puts(&text, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
	for (int i = 0; i < 200; i++)
		strbuf_printf(&text, "X-%d: y\r\n", i);
	strbuf_puts(&text, "\r\n");
	first = text.len;
	strbuf_puts(&text, "HTTP/1.1 200 OK\r\nConnection: close\r\nX: ");
	for (int i = 0; i < 9000; i++)
		strbuf_putc(&text, 'x');
	strbuf_puts(&text, "\r\n\r\n");
	answers[0] = (struct fake_answer){ .text = text.data, .len = first };
	answers[1] = (struct fake_answer){ .text = text.data + first };
	fake_start(&server, NULL, answers, 2);
	for (int i = 0; i < 2; i++) {
		_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;

		assert_int_equal(get(url_of(&server, "/"), &response, NULL), -EFBIG);
	}
}

static void test_unix_socket(void **state)
{
	static const struct fake_answer ANSWERS[] = { { .text = OK("from the socket") } };
	char dir[] = "/tmp/berth-test-http-XXXXXX";
	_cleanup_free_ char *path = NULL;
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	struct fake_server server;
	struct http_request request = { .url = "/info?x=1" };

	assert_non_null(mkdtemp(dir));
	path = xasprintf("%s/s", dir);
	request.socket_path = path;
	assert_int_equal(http_request(&request, &response, &err), -ENOENT);
	assert_non_null(strstr(err.message, "GET /info at /tmp/berth-test-http-"));
	http_response_release(&response);
	fake_start(&server, path, ANSWERS, 1);
	/* No proxy stands between us and a socket, whatever the environment says. */
	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
	assert_int_equal(http_request(&request, &response, &err), 0);
	fake_forget_proxies();
	assert_string_equal(strbuf_str(&response.body), "from the socket");
	assert_non_null(strstr(fake_request(&server, 0), "GET /info?x=1 HTTP/1.1\r\n"));
	http_response_release(&response);
	fake_stop(&server);
	assert_int_equal(http_request(&request, &response, &err), -ECONNREFUSED);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_proxy(void **state)
{
	SERVE(server, { .text = OK("proxied") },
	      { .text = "HTTP/1.1 403 No\r\nConnection: close\r\n\r\n" });
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(setenv("http_proxy", url_of(&server, ""), 1), 0);
	assert_int_equal(setenv("https_proxy", url_of(&server, ""), 1), 0);
	assert_int_equal(get("http://nowhere.invalid/x", &response, &err), 0);
	assert_string_equal(strbuf_str(&response.body), "proxied");
	assert_non_null(strstr(fake_request(&server, 0), "GET http://nowhere.invalid/x HTTP/1.1"));
	http_response_release(&response);
	assert_int_equal(get("https://nowhere.invalid/x", &response, &err), -EPROTO);
	assert_non_null(strstr(fake_request(&server, 1), "CONNECT nowhere.invalid:443 HTTP/1.1"));
	http_response_release(&response);
	assert_int_equal(setenv("no_proxy", "127.0.0.1", 1), 0);
	assert_int_equal(get("http://127.0.0.1:1/", &response, &err), -ECONNREFUSED);
	fake_forget_proxies();
}

static void test_bad_urls(void **state)
{
	static const char *const URLS[] = { "http://", "http://a:b:c/", "gopher://127.0.0.1/",
					    "file:///etc/passwd" };

	for (size_t i = 0; i < ARRAY_SIZE(URLS); i++) {
		_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
		int r = get(URLS[i], &response, NULL);

		assert_true(r == -EINVAL || r == -EPROTO);
	}
}

static void test_url_plain(void **state)
{
	static const char *const CASES[][2] = {
		{ "http://h/p", "http://h/p" },
		{ "https://u:p@h:8/p?q#f", "https://h:8/p" },
		{ "https://u:p@x@h/p@q", "https://h/p@q" },
		{ "http://h?u@x", "http://h" },
		{ "/p?q", "/p" },
		{ "file:///a b", "file:///a b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_free_ char *plain = http_url_plain(CASES[i][0]);

		assert_string_equal(plain, CASES[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_status_is_no_error),
		cmocka_unit_test(test_body_cap),
		cmocka_unit_test(test_sink),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_not_http),
		cmocka_unit_test(test_times_out),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_delete_and_head),
		cmocka_unit_test(test_header_caps),
		cmocka_unit_test(test_unix_socket),
		cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_bad_urls),
		cmocka_unit_test(test_url_plain),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
