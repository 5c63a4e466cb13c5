#include "docker_fixture.h"

#include "engine/docker_container.h"
#include "engine/docker_image.h"
#include "engine/docker_logs.h"

#define ID "4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339c4c01db0b339cabcd"

static void test_absent(void **state)
{
	struct engine *e = *state;
	struct docker docker = DOCKER_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(docker_open(&e->host, &docker, &err), -ENOENT);
	assert_string_equal(err.message, "docker is not running (there is no '/run/docker.sock')");
	docker.socket = e->socket;
	assert_int_equal(docker_ping(&docker, 1000, &err), -ENOENT);
	assert_non_null(strstr(err.message, "docker is not running"));
}

static void test_nobody_listens(void **state)
{
	struct engine *e = *state;
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	struct fake_server server = { 0 };
	struct error err = ERROR_INIT;

	(void)close(fake_listen(&server, e->socket));
	assert_int_equal(docker_open(&e->host, &docker, &err), 0);
	assert_int_equal(docker_ping(&docker, 1000, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.message, "docker is not running (nobody listens"));
}

static void test_no_socket(void **state)
{
	struct engine *e = *state;
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	const struct file_attrs attrs = { .mode = 0644, .uid = geteuid(), .gid = getegid() };

	assert_int_equal(host_write(&e->host, DOCKER_SOCKET, "", 0, &attrs, NULL), 0);
	assert_int_equal(docker_open(&e->host, &docker, NULL), -ENOTSOCK);
}

static void test_ping(void **state)
{
	SERVE({ .text = JSON("200 OK", "OK") }, { .text = JSON("200 OK", "hello") },
	      { .text = JSON("500 Oh", "{\"message\":\"it burns\"}") },
	      { .text = JSON("502 Bad", "<html>\nBad gateway</html>") },
	      { .text = "", .hang = true });

	assert_int_equal(docker_ping(&docker, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0), "GET /_ping HTTP/1.1\r\n"));
	assert_int_equal(docker_ping(&docker, 1000, &err), -EPROTO);
	assert_int_equal(docker_ping(&docker, 1000, &err), -EIO);
	assert_string_equal(err.message, "docker: it burns");
	assert_int_equal(docker_ping(&docker, 1000, &err), -EIO);
	assert_string_equal(err.message, "docker answered GET /_ping with status 502: <html>");
	assert_int_equal(docker_ping(&docker, 100, &err), -ETIMEDOUT);
}

static void count_lines(void *userdata, const char *text)
{
	assert_non_null(strstr(text, "waiting for docker"));
	++*(int *)userdata;
}

static bool gave_up(void *userdata)
{
	(void)userdata;
	return false;
}

static void test_wait_ready(void **state)
{
	struct engine *e = *state;
	static const struct fake_answer ANSWERS[] = {
		{ .text = "" },
		{ .text = JSON("503 Soon", "{\"message\":\"starting\"}") },
		{ .text = JSON("200 OK", "OK") },
		{ .text = JSON("503 Soon", "{\"message\":\"still starting\"}") },
	};
	struct fake_server server;
	struct error err = ERROR_INIT;
	int lines = 0;
	const struct progress progress = { .activity = count_lines, .userdata = &lines };

	assert_int_equal(docker_wait_ready(e->socket, 120, NULL, NULL, NULL, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "there is no"));
	fake_start(&server, e->socket, ANSWERS, 4);
	assert_int_equal(docker_wait_ready(e->socket, 5000, NULL, NULL, &progress, &err), 0);
	assert_int_equal(lines, 2);
	assert_int_equal(fake_count(&server), 3);
	assert_int_equal(docker_wait_ready(e->socket, 600, NULL, NULL, NULL, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "still starting"));
	assert_int_equal(docker_wait_ready(e->socket, 0, NULL, NULL, NULL, &err), -ETIMEDOUT);
	assert_int_equal(docker_wait_ready("/nothing/here", 60000, gave_up, NULL, NULL, &err), -ENOTCONN);
	assert_non_null(strstr(err.message, "not on its way up: "));
	fake_stop(&server);
}

static void test_info_version(void **state)
{
	SERVE({ .text = JSON("200 OK", "{\"Driver\":\"overlay2\"}") },
	      { .text = JSON("200 OK", "{\"Version\":\"29.0.1\"}") },
	      { .text = JSON("200 OK", "[]") }, { .text = JSON("200 OK", "{\"Driver\":") });
	_cleanup_json_ json_t *info = NULL;
	_cleanup_json_ json_t *version = NULL;
	json_t *none = NULL;

	assert_int_equal(docker_info(&docker, 1000, &info, &err), 0);
	assert_string_equal(json_get_string(info, "Driver"), "overlay2");
	assert_int_equal(docker_version(&docker, 1000, &version, &err), 0);
	assert_string_equal(json_get_string(version, "Version"), "29.0.1");
	assert_non_null(strstr(fake_request(&server, 1), "GET /version HTTP/1.1\r\n"));
	assert_int_equal(docker_info(&docker, 1000, &none, &err), -EPROTO);
	assert_int_equal(docker_info(&docker, 1000, &none, &err), -EPROTO);
	assert_null(none);
}

static void test_list(void **state)
{
	SERVE({ .text = JSON("200 OK",
			     "[{\"Id\":\"" ID "\",\"Names\":[\"/one\",\"/a/b\"],\"Image\":\"i:1\","
			     "\"State\":\"running\",\"Labels\":{\"k\":\"v\\u0000w\"}},"
			     "{\"Id\":\"2\",\"Names\":null,\"Image\":\"j\",\"State\":\"exited\","
			     "\"Labels\":null}]") });
	_cleanup_(docker_containers_release) struct docker_containers list = DOCKER_CONTAINERS_INIT;

	assert_int_equal(docker_list(&docker, DOCKER_LIST_ALL, 1000, &list, &err), 0);
	assert_non_null(
		strstr(fake_request(&server, 0), "GET /containers/json?all=1 HTTP/1.1\r\n"));
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].id, ID);
	assert_int_equal(list.items[0].names.len, 2);
	assert_string_equal(list.items[0].names.items[0], "one");
	assert_string_equal(list.items[0].state, "running");
	assert_string_equal(list.items[0].image, "i:1");
	assert_string_equal(json_get_string(list.items[0].labels, "k"), "v");
	assert_null(list.items[0].runtime);
	assert_int_equal(list.items[1].names.len, 0);
	assert_int_equal(json_object_size(list.items[1].labels), 0);
}

static void test_list_runtimes(void **state)
{
	SERVE({ .text = JSON("200 OK", "[{\"Id\":\"a\"},{\"Id\":\"b\"},{\"Id\":\"c\"}]") },
	      { .text = JSON("404 No", "{\"message\":\"No such container: a\"}") },
	      { .text = JSON("200 OK", "{\"HostConfig\":{\"Runtime\":\"sysbox-runc\"}}") },
	      { .text = JSON("200 OK", "{\"HostConfig\":{\"Runtime\":\"runc\"}}") },
	      { .text = JSON("200 OK", "[{\"Id\":\"../info\"}]") },
	      { .text = JSON("200 OK", "[{\"Image\":\"x\"}]") }, { .text = JSON("200 OK", "[]") });
	_cleanup_(docker_containers_release) struct docker_containers list = DOCKER_CONTAINERS_INIT;

	assert_int_equal(docker_list(&docker, DOCKER_LIST_RUNTIME, 2000, &list, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0), "GET /containers/json HTTP/1.1\r\n"));
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].id, "b");
	assert_string_equal(list.items[0].runtime, "sysbox-runc");
	assert_string_equal(list.items[1].runtime, "runc");
	docker_containers_release(&list);
	assert_int_equal(docker_list(&docker, DOCKER_LIST_RUNTIME, 2000, &list, &err), -EINVAL);
	assert_int_equal(docker_list(&docker, 0, 2000, &list, &err), -EPROTO);
	assert_int_equal(docker_list(&docker, 0, 2000, &list, &err), 0);
	assert_int_equal(list.len, 0);
}

static ssize_t two_bytes(void *userdata, void *buf, size_t cap)
{
	int *left = userdata;

	if (*left == 0)
		return 0;
	--*left;
	memcpy(buf, "ab", 2);
	return 2;
}

static void test_image_load(void **state)
{
	SERVE({ .text = JSON("200 OK", "{\"stream\":\"Loaded image: x:1\\n\"}\r\n") },
	      { .text = JSON("200 OK", "{\"status\":\"a\"}{\"errorDetail\":{\"message\":"
				       "\"no space\"},\"error\":\"no space\"}\n") },
	      { .text = JSON("200 OK", "{\"error\":\"old style\"}") },
	      { .text = JSON("200 OK", "{\"stream\":") },
	      { .text = JSON("500 Oh", "{\"message\":\"unexpected EOF\"}") },
	      { .text = JSON("200 OK", "") });
	int twice = 2;

	assert_int_equal(docker_image_load(&docker, "tar!", 4, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0), "POST /images/load?quiet=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(fake_request(&server, 0), "Content-Type: application/x-tar\r\n"));
	assert_non_null(strstr(fake_request(&server, 0), "\r\n\r\ntar!"));
	assert_int_equal(docker_image_load(&docker, "tar!", 4, 1000, &err), -EIO);
	assert_string_equal(err.message, "load an image: docker: no space");
	assert_int_equal(docker_image_load(&docker, "tar!", 4, 1000, &err), -EIO);
	assert_int_equal(docker_image_load(&docker, "tar!", 4, 1000, &err), -EPROTO);
	assert_int_equal(docker_image_load(&docker, "tar!", 4, 1000, &err), -EIO);
	assert_string_equal(err.message, "load an image: docker: unexpected EOF");
	assert_int_equal(docker_image_load_from(&docker, two_bytes, &twice, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 5), "2\r\nab\r\n2\r\nab\r\n0\r\n"));
}

static void test_image_remove(void **state)
{
	SERVE({ .text = JSON("200 OK", "[{\"Untagged\":\"x:1\"}]") },
	      { .text = JSON("404 No", "{\"message\":\"No such image\"}") },
	      { .text = JSON("409 No", "{\"message\":\"conflict: in use\"}") });

	assert_int_equal(docker_image_remove(&docker, "r.io:5/a/x:1", true, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0),
			       "DELETE /images/r.io:5/a/x:1?force=1 HTTP/1.1\r\n"));
	assert_int_equal(docker_image_remove(&docker, "x:1", false, 1000, &err), 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(docker_image_remove(&docker, "x:1", false, 1000, &err), -EBUSY);
	assert_string_equal(err.message, "remove the image 'x:1': docker: conflict: in use");
	assert_int_equal(docker_image_remove(&docker, "x/../../info", false, 1000, &err), -EINVAL);
	assert_int_equal(docker_image_remove(&docker, "x?y", false, 1000, &err), -EINVAL);
	assert_int_equal(docker_image_remove(&docker, "", false, 1000, &err), -EINVAL);
	assert_int_equal(fake_count(&server), 3);
}

static void test_image_delete(void **state)
{
	SERVE({ .text = JSON("200 OK", "[{\"Deleted\":\"sha256:ab\"}]") },
	      { .text = JSON("409 No", "{\"message\":\"conflict: unable to delete ab\"}") },
	      { .text = JSON("404 No", "{\"message\":\"No such image\"}") });

	assert_int_equal(docker_image_delete(&docker, "sha256:ab", true, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0),
			       "DELETE /images/sha256:ab?force=0&noprune=0 HTTP/1.1\r\n"));
	assert_int_equal(docker_image_delete(&docker, "x@sha256:ab", false, 1000, &err), -EBUSY);
	assert_non_null(strstr(fake_request(&server, 1),
			       "DELETE /images/x@sha256:ab?force=0&noprune=1 HTTP/1.1\r\n"));
	assert_int_equal(docker_image_delete(&docker, "x:1", true, 1000, &err), -ENOENT);
	assert_string_equal(err.message, "remove the image 'x:1': docker: No such image");
	assert_int_equal(docker_image_delete(&docker, "x?force=1", true, 1000, &err), -EINVAL);
}

static void test_image_tag(void **state)
{
	SERVE({ .text = JSON("201 Created", "") });

	assert_int_equal(docker_image_tag(&docker, "sha256:ab", "r.io:5/a/x:1", 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0),
			       "POST /images/sha256:ab/tag?repo=r.io:5/a/x&tag=1 HTTP/1.1\r\n"));
	assert_int_equal(docker_image_tag(&docker, "sha256:ab", "r.io:5/x", 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 1), "repo=r.io:5/x&tag= HTTP/1.1\r\n"));
	assert_int_equal(docker_image_tag(&docker, "sha256:ab", "x&y", 1000, &err), -EINVAL);
}

static void test_image_lists(void **state)
{
	SERVE({ .text = JSON("200 OK", "[{\"Id\":\"sha256:ab\"}]") },
	      { .text = JSON("200 OK", "{\"Id\":\"sha256:ab\"}") },
	      { .text = JSON("200 OK", "[{\"ImageID\":\"sha256:ab\"}]") },
	      { .text = JSON("200 OK", "{}") });
	_cleanup_json_ json_t *images = NULL;
	_cleanup_json_ json_t *image = NULL;
	_cleanup_json_ json_t *containers = NULL;
	json_t *none = NULL;

	assert_int_equal(docker_images(&docker, 1000, &images, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0), "GET /images/json?all=1 HTTP/1.1\r\n"));
	assert_int_equal(json_array_size(images), 1);
	assert_int_equal(docker_image_inspect(&docker, "sha256:ab", 1000, &image, &err), 0);
	assert_non_null(strstr(fake_request(&server, 1), "GET /images/sha256:ab/json HTTP"));
	assert_int_equal(docker_list_json(&docker, 1000, &containers, &err), 0);
	assert_non_null(strstr(fake_request(&server, 2), "GET /containers/json?all=1 HTTP"));
	assert_int_equal(docker_images(&docker, 1000, &none, &err), -EPROTO);
	assert_null(none);
}

static void test_container_life(void **state)
{
	SERVE({ .text = JSON("201 Created", "{\"Id\":\"" ID "\",\"Warnings\":[]}") },
	      { .text = JSON("204 No Content", "") }, { .text = JSON("304 Not Modified", "") },
	      { .text = JSON("200 OK", "{\"StatusCode\":137}") },
	      { .text = JSON("204 No Content", "") },
	      { .text = JSON("404 No", "{\"message\":\"No such container\"}") });
	_cleanup_json_ json_t *config = json_pack("{s:s}", "Image", "x:1");
	_cleanup_free_ char *id = NULL;
	int64_t status = -1;

	assert_int_equal(docker_container_create(&docker, "probe", config, 1000, &id, &err), 0);
	assert_string_equal(id, ID);
	assert_non_null(
		strstr(fake_request(&server, 0), "POST /containers/create?name=probe HTTP"));
	assert_non_null(strstr(fake_request(&server, 0), "Content-Type: application/json\r\n"));
	assert_non_null(strstr(fake_request(&server, 0), "\r\n\r\n{\"Image\":\"x:1\"}"));
	assert_int_equal(docker_container_start(&docker, id, 1000, &err), 0);
	assert_non_null(strstr(fake_request(&server, 1), "POST /containers/" ID "/start HTTP"));
	assert_int_equal(docker_container_start(&docker, id, 1000, &err), 0);
	assert_int_equal(docker_container_wait(&docker, id, 1000, &status, &err), 0);
	assert_int_equal(status, 137);
	assert_non_null(strstr(fake_request(&server, 3), "POST /containers/" ID "/wait HTTP"));
	assert_int_equal(docker_container_remove(&docker, id, 1000, &err), 0);
	assert_non_null(
		strstr(fake_request(&server, 4), "DELETE /containers/" ID "?force=1&v=1 HTTP"));
	assert_int_equal(docker_container_remove(&docker, id, 1000, &err), 0);
	assert_int_equal(docker_container_remove(&docker, "a/b", 1000, &err), -EINVAL);
}

static void test_container_errors(void **state)
{
	SERVE({ .text = JSON("409 No",
			     "{\"message\":\"Conflict. The container name \\\"/probe\\\" is "
			     "already in use by container \\\"x\\\".\"}") },
	      { .text = JSON("404 No", "{\"message\":\"No such image: x:1\"}") },
	      { .text = JSON("400 No", "{\"message\":\"invalid\\nJSON\"}") },
	      { .text = JSON("201 Created", "{}") },
	      { .text = JSON("500 Oh", "{\"message\":\"OCI runtime create failed\"}") },
	      { .text = JSON("200 OK", "{\"StatusCode\":0,\"Error\":{\"Message\":\"lost\"}}") },
	      { .text = JSON("200 OK", "{}") },
	      { .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .hang = true });
	_cleanup_json_ json_t *config = json_object();
	char *id = NULL;
	int64_t status;

	assert_int_equal(docker_container_create(&docker, NULL, config, 1000, &id, &err), -EEXIST);
	assert_non_null(strstr(fake_request(&server, 0), "POST /containers/create HTTP/1.1\r\n"));
	assert_int_equal(docker_container_create(&docker, NULL, config, 1000, &id, &err), -ENOENT);
	assert_string_equal(err.message, "create a container: docker: No such image: x:1");
	assert_int_equal(docker_container_create(&docker, NULL, config, 1000, &id, &err), -EINVAL);
	assert_string_equal(err.message, "create a container: docker: invalid JSON");
	assert_int_equal(docker_container_create(&docker, NULL, config, 1000, &id, &err), -EPROTO);
	assert_null(id);
	assert_int_equal(docker_container_start(&docker, "c", 1000, &err), -EIO);
	assert_string_equal(err.message, "start container c: docker: OCI runtime create failed");
	assert_int_equal(docker_container_wait(&docker, "c", 1000, &status, &err), -EIO);
	assert_int_equal(docker_container_wait(&docker, "c", 1000, &status, &err), -EPROTO);
	assert_int_equal(docker_container_wait(&docker, "c", 100, &status, &err), -ETIMEDOUT);
	assert_string_equal(err.message, "container c has not ended in 1 s");
}

#define FRAMED                                                                           \
	"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n" \
	"Connection: close\r\n\r\n"
#define TEXT(s)                                 \
	{                                       \
		.text = s, .len = sizeof(s) - 1 \
	}

static void test_logs(void **state)
{
	SERVE({ .text = FRAMED "\1\0\0\0\0\0\0\6hello\n\2\0\0\0\0\0\0\4oops\1\0\0\0\0\0\0\0"
			       "\1\0\0\0\0\0\0\5world",
		.len = sizeof(FRAMED) - 1 + 8 + 6 + 8 + 4 + 8 + 8 + 5,
		.between_ms = 1 },
	      TEXT(FRAMED "\1\0\0\0\0\0\0\6hell"), TEXT(FRAMED "hello world"),
	      TEXT(FRAMED "\3\0\0\0\0\0\0\4lost"),
	      TEXT("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
		   "Connection: close\r\n\r\nraw \1\0\0\0"),
	      TEXT(JSON("404 No", "{\"message\":\"No such container: c\"}")));
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf err_out = STRBUF_INIT;

	assert_int_equal(docker_container_logs(&docker, "c", 8, 2000, &out, &err_out, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0),
			       "GET /containers/c/logs?stdout=1&stderr=1 HTTP/1.1\r\n"));
	assert_string_equal(strbuf_str(&out), "hello\nwo");
	assert_string_equal(strbuf_str(&err_out), "oops");
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			docker_container_logs(&docker, "c", 64, 1000, &out, &err_out, &err),
			-EPROTO);
	assert_int_equal(docker_container_logs(&docker, "c", 64, 1000, &out, &err_out, &err), -EIO);
	assert_non_null(strstr(err.message, "docker: lost"));
	strbuf_reset(&out);
	assert_int_equal(docker_container_logs(&docker, "c", 64, 1000, &out, &err_out, &err), 0);
	assert_int_equal(out.len, 8);
	assert_int_equal(docker_container_logs(&docker, "c", 64, 1000, &out, &err_out, &err),
			 -ENOENT);
}

/* Cut anywhere, the frames give the same. */
static void test_demux_pieces(void **state)
{
	static const char STREAM[] = "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\1\0";
	_cleanup_(strbuf_release) struct strbuf whole = STRBUF_INIT;

	strbuf_add(&whole, STREAM, sizeof(STREAM) - 1);
	for (int i = 0; i < 256; i++)
		strbuf_putc(&whole, 'e');
	for (size_t cut = 0; cut <= whole.len; cut++) {
		_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
		_cleanup_(strbuf_release) struct strbuf err_out = STRBUF_INIT;
		_cleanup_(docker_demux_release) struct docker_demux demux = {
			.out = &out,
			.err_out = &err_out,
			.cap = 1000,
		};

		assert_int_equal(docker_demux_feed(&demux, whole.data, cut), 0);
		assert_int_equal(docker_demux_end(&demux),
				 cut == 0 || cut == 11 || cut == whole.len ? 0 : -EPROTO);
		assert_int_equal(docker_demux_feed(&demux, whole.data + cut, whole.len - cut), 0);
		assert_int_equal(docker_demux_end(&demux), 0);
		assert_string_equal(strbuf_str(&out), "one");
		assert_int_equal(err_out.len, 256);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(test_absent),
		engine_test(test_nobody_listens),
		engine_test(test_no_socket),
		engine_test(test_ping),
		engine_test(test_wait_ready),
		engine_test(test_info_version),
		engine_test(test_list),
		engine_test(test_list_runtimes),
		engine_test(test_image_load),
		engine_test(test_image_remove),
		engine_test(test_image_delete),
		engine_test(test_image_tag),
		engine_test(test_image_lists),
		engine_test(test_container_life),
		engine_test(test_container_errors),
		engine_test(test_logs),
		cmocka_unit_test(test_demux_pieces),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
