#include "service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define TICK_MS 50

int service_block_signals(struct failure *f)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? fail_errno(f, "make a signal descriptor") : fd;
}

void service_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -EBADF;
	size_t length = path ? strlen(path) : 0;

	if (length == 0 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	/* A leading @ stands for the abstract namespace. */
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		say("cannot notify systemd: %s", strerror(errno));
}

static void serve_one(const struct service *service, int listener)
{
	_cleanup_(closep) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	_cleanup_(json_decrefp) json_t *request = NULL;
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct timeval patience = { .tv_sec = 2 };

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	request = wire_receive(fd);
	if (!request)
		return;
	answer = service->answer(service->context, request);
	(void)wire_send(fd, answer);
}

int service_run(const struct service *service, int signals, struct failure *f)
{
	_cleanup_(closep) int listener = wire_listen(service->socket, f);
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = listener, .events = POLLIN } };

	if (listener < 0)
		return -1;
	service_notify("READY=1");
	say("Ready ...");
	for (;;) {
		bool busy = service->busy && service->busy(service->context);

		if (poll(fds, ARRAY_SIZE(fds), busy ? TICK_MS : -1) < 0 && errno != EINTR)
			return fail_errno(f, "poll");
		if (fds[0].revents)
			break;
		if (fds[1].revents)
			serve_one(service, listener);
		if (busy)
			service->tick(service->context);
	}
	service_notify("STOPPING=1");
	unlink(service->socket);
	return 0;
}
