#include <setjmp.h>
#include <stdarg.h>

#include "base/digest.h"
#include "engine/download.h"
#include "fake_server.h"

#include <cmocka.h>

#define BODY  "0123456789abcdefghij"
#define WHOLE "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n"
#define REST                                                                             \
	"HTTP/1.1 206 Partial\r\nContent-Range: bytes 8-19/20\r\nContent-Length: 12\r\n" \
	"ETag: \"v1\"\r\nConnection: close\r\n\r\n"
#define PLAIN(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define DEST	      "/cache/file.deb"
#define SERVE(...)                                                   \
	struct node *node = *state;                                  \
	static const struct fake_answer answers[] = { __VA_ARGS__ }; \
	_cleanup_(fake_stop) struct fake_server server;              \
	struct error err = ERROR_INIT;                               \
	fake_start(&server, NULL, answers, ARRAY_SIZE(answers))

struct node {
	struct host host;
	char dir[64];
	char sha256[DIGEST_HEX_MAX]; /* of BODY */
};

static int setup(void **state)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return -1;
	(void)snprintf(node->dir, sizeof(node->dir), "/tmp/berth-test-download-XXXXXX");
	if (!mkdtemp(node->dir) || host_open_root(node->dir, &node->host, NULL) < 0)
		return -1;
	digest_hex(BODY, strlen(BODY), node->sha256);
	*state = node;
	return host_mkdirs(&node->host, "/cache", 0755, NULL, NULL);
}

static int teardown(void **state)
{
	static const char *const FILES[] = { DEST, DEST ".part", DEST ".part.from", "/cache/a b",
					     "/cache/big" };
	struct node *node = *state;

	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++)
		(void)host_remove(&node->host, FILES[i], NULL);
	(void)host_rmdir(&node->host, "/cache");
	(void)rmdir(node->dir);
	host_release(&node->host);
	free(node);
	return 0;
}

static int download(const struct node *node, const struct fake_server *server, struct error *err)
{
	char url[128];

	(void)snprintf(url, sizeof(url), "http://u:secret@127.0.0.1:%d/f.deb?k=secret",
		       server->port);
	return download_file(&node->host, url, node->sha256, DEST, 10000, NULL, err);
}

static void write_file(const struct node *node, const char *path, const char *text)
{
	const struct file_attrs attrs = { .mode = 0644, .uid = geteuid(), .gid = getegid() };

	assert_int_equal(host_write(&node->host, path, text, strlen(text), &attrs, NULL), 0);
}

/* The file is there, whole, and nothing is left beside it. */
static void assert_done(const struct node *node)
{
	_cleanup_free_ char *data = NULL;

	assert_int_equal(host_read(&node->host, DEST, 100, &data, NULL), 0);
	assert_string_equal(data, BODY);
	assert_false(host_exists(&node->host, DEST ".part"));
	assert_false(host_exists(&node->host, DEST ".part.from"));
}

static void count_bytes(void *userdata, uint64_t done, uint64_t total)
{
	assert_true(done <= 20 && total == 20);
	*(uint64_t *)userdata = done;
}

static void test_plain(void **state)
{
	SERVE({ .text = WHOLE BODY });
	char url[64];
	uint64_t seen = 0;
	const struct progress progress = { .bytes = count_bytes, .userdata = &seen };

	write_file(node, DEST, "an older one");
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/f", server.port);
	assert_int_equal(download_file(&node->host, url, node->sha256, DEST, 0, &progress, &err),
			 0);
	assert_done(node);
	assert_int_equal(seen, 20);
	assert_null(strstr(fake_request(&server, 0), "Range"));
	/* Once more: nothing is asked. */
	assert_int_equal(download(node, &server, &err), 0);
	assert_int_equal(fake_count(&server), 1);
}

static void test_resumes_after_break(void **state)
{
	SERVE({ .text = WHOLE "01234567" }, { .text = REST "89abcdefghij" });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_int_equal(fake_count(&server), 2);
	assert_non_null(strstr(fake_request(&server, 1), "\r\nRange: bytes=8-\r\n"));
	assert_non_null(strstr(fake_request(&server, 1), "\r\nIf-Range: \"v1\"\r\n"));
}

static void test_server_ignores_range(void **state)
{
	SERVE({ .text = WHOLE "01234567" }, { .text = WHOLE BODY });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_int_equal(fake_count(&server), 2);
}

static void test_changed_meanwhile(void **state)
{
	/* A 206 of another version, although If-Range said not to. */
	SERVE({ .text = WHOLE "xxxxxxxx" },
	      { .text = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 8-19/20\r\nETag: \"v2\"\r\n"
			"Content-Length: 12\r\nConnection: close\r\n\r\n89abcdefghij" },
	      { .text = WHOLE BODY });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_null(strstr(fake_request(&server, 2), "Range:"));
}

static void test_wrong_part_sent(void **state)
{
	SERVE({ .text = WHOLE "01234567" },
	      { .text = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 4-19/20\r\n"
			"Connection: close\r\n\r\n456789abcdefghij" },
	      { .text = WHOLE BODY });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_int_equal(fake_count(&server), 3);
}

static void test_weak_etag_is_not_used(void **state)
{
	SERVE({ .text = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\nETag: W/\"v1\"\r\n"
			"Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n\r\n01234567" },
	      { .text = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 8-19/*\r\n"
			"Connection: close\r\n\r\n89abcdefghij" });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_non_null(strstr(fake_request(&server, 1),
			       "\r\nIf-Range: Sat, 01 Jan 2022 00:00:00 GMT\r\n"));
}

/* A process that was killed: its part is continued by the next, if it is of the same URL. */
static void test_resumes_earlier_process(void **state)
{
	SERVE({ .text = WHOLE "01234567", .hang = true }, { .text = REST "89abcdefghij" });
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/f", server.port);
	assert_int_equal(download_file(&node->host, url, node->sha256, DEST, 300, NULL, &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.message, "not downloaded in 1 s"));
	assert_true(host_exists(&node->host, DEST ".part"));
	assert_int_equal(download_file(&node->host, url, node->sha256, DEST, 5000, NULL, &err), 0);
	assert_non_null(strstr(fake_request(&server, 1), "\r\nRange: bytes=8-\r\n"));
	assert_non_null(strstr(fake_request(&server, 1), "\r\nIf-Range: \"v1\"\r\n"));
	assert_done(node);
}

static void test_foreign_part(void **state)
{
	SERVE({ .text = WHOLE BODY });

	write_file(node, DEST ".part", "half of something else");
	write_file(node, DEST ".part.from", "https://old.example/ \"x\"\n");
	assert_int_equal(download(node, &server, &err), 0);
	assert_null(strstr(fake_request(&server, 0), "Range:"));
	assert_done(node);
}

static void make_part(const struct node *node, const struct fake_server *server, const char *text)
{
	char url[128], hex[DIGEST_HEX_MAX], from[128];

	(void)snprintf(url, sizeof(url), "http://u:secret@127.0.0.1:%d/f.deb?k=secret",
		       server->port);
	digest_hex(url, strlen(url), hex);
	(void)snprintf(from, sizeof(from), "%s \n", hex);
	write_file(node, DEST ".part", text);
	write_file(node, DEST ".part.from", from);
}

/* What was resumed and came out wrong gets one whole try. */
static void test_bad_part_is_done_again(void **state)
{
	SERVE({ .text = REST "89abcdefghij" }, { .text = WHOLE BODY });

	make_part(node, &server, "xxxxxxxx");
	assert_int_equal(download(node, &server, &err), 0);
	assert_null(strstr(fake_request(&server, 0), "If-Range"));
	assert_null(strstr(fake_request(&server, 1), "Range"));
	assert_done(node);
}

static void test_complete_part(void **state)
{
	SERVE({ .text = PLAIN("416 Range Not Satisfiable") });

	make_part(node, &server, BODY);
	assert_int_equal(download(node, &server, &err), 0);
	assert_int_equal(fake_count(&server), 1);
	assert_done(node);
}

static void test_part_too_long(void **state)
{
	SERVE({ .text = PLAIN("416 Range Not Satisfiable") }, { .text = WHOLE BODY });

	make_part(node, &server, BODY "and more");
	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
}

static void test_mismatch(void **state)
{
	SERVE({ .text = WHOLE "xxxxxxxxxxxxxxxxxxxx" });
	char got[DIGEST_HEX_MAX];

	digest_hex("xxxxxxxxxxxxxxxxxxxx", 20, got);
	assert_int_equal(download(node, &server, &err), -EBADMSG);
	assert_non_null(strstr(err.message, node->sha256));
	assert_non_null(strstr(err.message, got));
	assert_null(strstr(err.message, "secret"));
	assert_int_equal(fake_count(&server), 1);
	assert_false(host_exists(&node->host, DEST ".part"));
	assert_false(host_exists(&node->host, DEST ".part.from"));
	assert_false(host_exists(&node->host, DEST));
}

static void test_server_troubles(void **state)
{
	SERVE({ .text = PLAIN("500 Oh") }, { .text = "" }, { .text = WHOLE BODY });

	assert_int_equal(download(node, &server, &err), 0);
	assert_done(node);
	assert_int_equal(fake_count(&server), 3);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void test_retry_after(void **state)
{
	SERVE({ .text = "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" },
	      { .text = WHOLE BODY });
	uint64_t begin = now_ms();

	assert_int_equal(download(node, &server, &err), 0);
	assert_true(now_ms() - begin >= 1000);
	assert_done(node);
}

/* A server that asks for more patience than there is: told now, not at the deadline. */
static void test_retry_after_deadline(void **state)
{
	SERVE({ .text = "HTTP/1.1 503 Busy\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n" });
	uint64_t begin = now_ms();

	assert_int_equal(download(node, &server, &err), -EIO);
	assert_true(now_ms() - begin < 5000);
	assert_non_null(strstr(err.message, "not downloaded in 10 s: GET http://127.0.0.1:"));
	assert_non_null(strstr(err.message, "/f.deb: the server answered with status 503"));
	assert_null(strstr(err.message, "secret"));
}

static void test_refusals_are_final(void **state)
{
	SERVE({ .text = PLAIN("404 No") }, { .text = PLAIN("403 No") },
	      { .text = PLAIN("418 Tea") });

	assert_int_equal(download(node, &server, &err), -ENOENT);
	assert_int_equal(download(node, &server, &err), -EACCES);
	assert_int_equal(download(node, &server, &err), -EPROTO);
	assert_int_equal(fake_count(&server), 3);
}

static void test_given_up(void **state)
{
	SERVE({ .text = "HTTP/1.1 500 Oh\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n" });

	assert_int_equal(download(node, &server, &err), -EIO);
	assert_non_null(strstr(err.message, "given up after 5 tries: GET "));
	assert_int_equal(fake_count(&server), 5);
}

static void test_nobody_there(void **state)
{
	struct node *node = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(download_file(&node->host, "http://127.0.0.1:1/x", node->sha256, DEST,
				       1200, NULL, &err),
			 -ECONNREFUSED);
	assert_non_null(strstr(err.message, "not downloaded in 2 s"));
}

static void test_too_large(void **state)
{
	SERVE({ .text = "HTTP/1.1 200 OK\r\nContent-Length: 1073741825\r\n\r\nx" });

	assert_int_equal(download(node, &server, &err), -EFBIG);
	assert_int_equal(fake_count(&server), 1);
	assert_false(host_exists(&node->host, DEST ".part"));
}

static void test_bad_arguments(void **state)
{
	struct node *node = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(download_file(&node->host, "http://h/", "abc", DEST, 0, NULL, &err),
			 -EINVAL);
	assert_int_equal(download_file(&node->host, "ftp://h/", node->sha256, DEST, 0, NULL, &err),
			 -EPROTONOSUPPORT);
	assert_int_equal(
		download_file(&node->host, "file://other/x", node->sha256, DEST, 0, NULL, &err),
		-EINVAL);
	assert_int_equal(
		download_file(&node->host, "file:///a%zz", node->sha256, DEST, 0, NULL, &err),
		-EINVAL);
	assert_int_equal(
		download_file(&node->host, "file:///cache", node->sha256, DEST, 0, NULL, &err),
		-EINVAL);
	assert_int_equal(
		download_file(&node->host, "file:///absent", node->sha256, DEST, 0, NULL, &err),
		-ENOENT);
	assert_int_equal(
		download_file(&node->host, "file:///x", node->sha256, "/no/dir/f", 0, NULL, &err),
		-ENOENT);
}

static void test_file_url(void **state)
{
	struct node *node = *state;
	struct error err = ERROR_INIT;

	write_file(node, "/cache/a b", "something else");
	assert_int_equal(download_file(&node->host, "file:///cache/a%20b", node->sha256, DEST, 0,
				       NULL, &err),
			 -EBADMSG);
	write_file(node, "/cache/a b", BODY);
	write_file(node, DEST ".part", "left over, and longer than what comes");
	assert_int_equal(download_file(&node->host, "file://localhost/cache/a%20b", node->sha256,
				       DEST, 0, NULL, &err),
			 0);
	assert_done(node);
}

/* Larger than any buffer on the way, broken off at odd places. */
static void test_big(void **state)
{
	static const size_t CUTS[] = { 70001, 200003, 300000 };
	struct node *node = *state;
	_cleanup_(strbuf_release) struct strbuf all = STRBUF_INIT;
	_cleanup_(fake_stop) struct fake_server server;
	struct strbuf texts[3] = { 0 };
	struct fake_answer answers[3] = { 0 };
	struct error err = ERROR_INIT;
	char url[64], hex[DIGEST_HEX_MAX];
	size_t from = 0;

	for (unsigned i = 0; all.len < 300000; i++)
		strbuf_printf(&all, "%u,", i * 2654435761U);
	all.len = 300000;
	digest_hex(all.data, all.len, hex);
	for (size_t i = 0; i < 3; i++) {
		strbuf_printf(&texts[i],
			      "HTTP/1.1 %d X\r\nContent-Range: bytes %zu-299999/300000\r\n"
			      "Content-Length: %zu\r\n\r\n",
			      i ? 206 : 200, from, 300000 - from);
		strbuf_add(&texts[i], all.data + from, CUTS[i] - from);
		answers[i] = (struct fake_answer){ .text = texts[i].data, .len = texts[i].len };
		from = CUTS[i];
	}
	fake_start(&server, NULL, answers, 3);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/f", server.port);
	assert_int_equal(download_file(&node->host, url, hex, "/cache/big", 10000, NULL, &err), 0);
	assert_int_equal(fake_count(&server), 3);
	for (size_t i = 0; i < 3; i++)
		strbuf_release(&texts[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_resumes_after_break),
		TEST(test_server_ignores_range),
		TEST(test_changed_meanwhile),
		TEST(test_wrong_part_sent),
		TEST(test_weak_etag_is_not_used),
		TEST(test_resumes_earlier_process),
		TEST(test_foreign_part),
		TEST(test_bad_part_is_done_again),
		TEST(test_complete_part),
		TEST(test_part_too_long),
		TEST(test_mismatch),
		TEST(test_server_troubles),
		TEST(test_retry_after),
		TEST(test_retry_after_deadline),
		TEST(test_refusals_are_final),
		TEST(test_given_up),
		TEST(test_nobody_there),
		TEST(test_too_large),
		TEST(test_bad_arguments),
		TEST(test_file_url),
		TEST(test_big),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
