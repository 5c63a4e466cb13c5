/*
 * A server in a process of its own that gives scripted answers, one a connection, the last one for
 * ever, and keeps what it was asked. On 127.0.0.1 at a port of the system's choice, or on a Unix
 * socket. All of it is static: for one program each.
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/strbuf.h"

struct fake_answer {
	const char *text;    /* raw bytes: status line, headers, body */
	size_t len;	     /* 0: strlen(text) */
	unsigned delay_ms;   /* before it */
	unsigned between_ms; /* after every byte */
	bool hang;	     /* keep the connection open behind it */
	bool reset;	     /* end with a TCP reset, unread */
};

struct fake_server {
	pid_t pid;
	int port;
	int log; /* requests, each ended by a NUL */
};

static void fake_sleep(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL);
}

/* Is the request in `sb` complete: head, and a body of the length told or in chunks? */
static bool fake_complete(const struct strbuf *sb)
{
	const char *end = strstr(strbuf_str(sb), "\r\n\r\n");
	const char *length = strcasestr(strbuf_str(sb), "\r\nContent-Length:");

	if (!end)
		return false;
	if (length && length < end)
		return sb->len - (size_t)(end + 4 - sb->data) >= strtoul(length + 17, NULL, 10);
	if (strcasestr(strbuf_str(sb), "\r\nTransfer-Encoding: chunked"))
		return sb->len >= 5 && memcmp(sb->data + sb->len - 5, "0\r\n\r\n", 5) == 0;
	return true;
}

static void fake_serve(int fd, const struct fake_answer *answer, int log)
{
	_cleanup_(strbuf_release) struct strbuf request = STRBUF_INIT;
	size_t len = answer->len ? answer->len : strlen(answer->text);
	const char *text = answer->text;
	char buf[4096];

	while (!fake_complete(&request)) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			break;
		strbuf_add(&request, buf, (size_t)n);
	}
	(void)file_write_all(log, strbuf_str(&request), request.len + 1);
	fake_sleep(answer->delay_ms);
	if (answer->between_ms) {
		for (size_t i = 0; i < len && send(fd, text + i, 1, MSG_NOSIGNAL) == 1; i++)
			fake_sleep(answer->between_ms);
	} else {
		while (len) {
			ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

			if (n <= 0)
				break;
			len -= (size_t)n;
			text += n;
		}
	}
	while (answer->hang && read(fd, buf, sizeof(buf)) > 0)
		;
	if (answer->reset) {
		struct linger at_once = { 1, 0 };

		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	}
}

static void fake_loop(int listener, const struct fake_answer *answers, size_t count, int log)
{
	for (size_t i = 0;; i++) {
		struct fake_answer answer = answers[i < count ? i : count - 1];
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		fake_serve(fd, &answer, log);
		(void)close(fd);
	}
}

static int fake_listen(struct fake_server *server, const char *socket_path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(socket_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		abort();
	if (socket_path) {
		(void)unlink(socket_path);
		(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", socket_path);
		r = bind(fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		r = bind(fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (r < 0 || listen(fd, 64) < 0)
		abort();
	if (!socket_path && getsockname(fd, (struct sockaddr *)&in, &len) == 0)
		server->port = ntohs(in.sin_port);
	return fd;
}

/* `socket_path` NULL: TCP. */
__attribute__((unused)) static void fake_start(struct fake_server *server, const char *socket_path,
					       const struct fake_answer *answers, size_t count)
{
	int listener = fake_listen(server, socket_path);

	server->log = memfd_create("requests", MFD_CLOEXEC);
	server->pid = fork();
	if (server->log < 0 || server->pid < 0)
		abort();
	if (server->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_loop(listener, answers, count, server->log);
	}
	(void)close(listener);
}

/* The n-th request, from 0; NULL: there were not so many. Into a static buffer. */
__attribute__((unused)) static const char *fake_request(const struct fake_server *server, size_t n)
{
	static char log[1 << 18];
	ssize_t len = pread(server->log, log, sizeof(log) - 1, 0);
	const char *p = log;

	log[len > 0 ? len : 0] = '\0';
	while (len > 0 && n-- && p < log + len)
		p += strlen(p) + 1;
	return len > 0 && p < log + len ? p : NULL;
}

__attribute__((unused)) static size_t fake_count(const struct fake_server *server)
{
	size_t n = 0;

	while (fake_request(server, n))
		n++;
	return n;
}

__attribute__((unused)) static void fake_stop(struct fake_server *server)
{
	(void)kill(server->pid, SIGKILL);
	(void)waitpid(server->pid, NULL, 0);
	(void)close(server->log);
}

/* Proxies of the environment have no business in a test on the loopback. */
__attribute__((unused)) static void fake_forget_proxies(void)
{
	static const char *const NAMES[] = { "http_proxy",  "https_proxy", "all_proxy", "no_proxy",
					     "HTTPS_PROXY", "ALL_PROXY",   "NO_PROXY" };

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++)
		(void)unsetenv(NAMES[i]);
}

#endif
