/* HTTPS against a server with a certificate of its own making, and the host's bundle of
 * authorities. */
#include <setjmp.h>
#include <stdarg.h>

#include "engine/http.h"
#include "fake_server.h"

#include <cmocka.h>

/* A certificate of its own making for 127.0.0.1 in `dir`, and a server that has it. */
static pid_t start_tls(const char *dir, int port)
{
	static const char *const REQ[] = {
		"openssl",  "req",	     "-x509",	"-newkey",
		"rsa:2048", "-nodes",	     "-days",	"2",
		"-subj",    "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
		"-keyout",  "key.pem",	     "-out",	"etc/ssl/certs/ca-certificates.crt",
		NULL,
	};
	const struct spawn_options options = { .cwd = dir, .timeout_ms = 60000 };
	char accept_at[32];
	pid_t pid;

	assert_int_equal(spawn_check("/usr/bin/openssl", REQ, &options, NULL, NULL), 0);
	(void)snprintf(accept_at, sizeof(accept_at), "127.0.0.1:%d", port);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) < 0 || !freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(127);
		execl("/usr/bin/openssl", "openssl", "s_server", "-accept", accept_at, "-key",
		      "key.pem", "-cert", "etc/ssl/certs/ca-certificates.crt", "-www", NULL);
		_exit(127);
	}
	return pid;
}

static int free_port(void)
{
	struct fake_server server = { 0 };

	(void)close(fake_listen(&server, NULL));
	return server.port;
}

static void test_tls(void **state)
{
	char dir[] = "/tmp/berth-test-http-XXXXXX";
	_cleanup_(host_release) struct host host = HOST_INIT;
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	struct error err = ERROR_INIT;
	struct http_request request = { .host = &host, .timeout_ms = 5000 };
	char url[64];
	pid_t pid;
	int port, r = -ECONNREFUSED;

	if (access("/usr/bin/openssl", X_OK) < 0) {
		print_message("no /usr/bin/openssl: TLS is not tested\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	assert_int_equal(host_open_root(dir, &host, NULL), 0);
	assert_int_equal(host_mkdirs(&host, "/etc/ssl/certs", 0755, NULL, NULL), 0);
	port = free_port();
	pid = start_tls(dir, port);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
	request.url = url;
	for (int i = 0; i < 100 && r == -ECONNREFUSED; i++) {
		http_response_release(&response);
		r = http_request(&request, &response, &err);
		fake_sleep(50);
	}
	assert_int_equal(r, 0);
	assert_int_equal(response.status, 200);
	http_response_release(&response);
	/* Other authorities, and another name than the certificate's. */
	request.host = NULL;
	assert_int_equal(http_request(&request, &response, &err), -EKEYREJECTED);
	http_response_release(&response);
	(void)snprintf(url, sizeof(url), "https://localhost:%d/", port);
	request.host = &host;
	assert_int_equal(http_request(&request, &response, &err), -EKEYREJECTED);
	assert_false(http_error_passing(-EKEYREJECTED));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(host_remove(&host, "/key.pem", NULL), 0);
	assert_int_equal(host_remove(&host, "/etc/ssl/certs/ca-certificates.crt", NULL), 0);
	for (const char *const *p =
		     (const char *const[]){ "/etc/ssl/certs", "/etc/ssl", "/etc", NULL };
	     *p; p++)
		assert_int_equal(host_rmdir(&host, *p), 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls),
	};

	fake_forget_proxies();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
