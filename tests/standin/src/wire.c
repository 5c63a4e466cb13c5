#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define MESSAGE_LIMIT 65536

static int address_of(const char *path, struct sockaddr_un *ret, struct failure *f)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return fail(f, "'%s' is too long for a socket", path);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

int wire_send(int fd, const json_t *message)
{
	_cleanup_(freep) char *text = json_dumps(message, JSON_COMPACT);
	size_t length = text ? strlen(text) : 0;

	for (size_t sent = 0; sent < length;) {
		ssize_t n = send(fd, text + sent, length - sent, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		sent += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	return text ? 0 : -1;
}

json_t *wire_receive(int fd)
{
	char text[MESSAGE_LIMIT];
	size_t used = 0;

	while (used < sizeof(text)) {
		ssize_t got = recv(fd, text + used, sizeof(text) - used, 0);

		if (got < 0)
			return NULL;
		if (got == 0)
			return json_loadb(text, used, JSON_REJECT_DUPLICATES, NULL);
		used += (size_t)got;
	}
	return NULL;
}

int wire_ask(const char *program, const char *path, json_t *request, json_t **ret_answer,
	     struct failure *f)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_(json_decrefp) json_t *answer = NULL;
	struct sockaddr_un address;
	const char *error;

	if (fd < 0)
		return fail_errno(f, "make a socket");
	if (address_of(path, &address, f) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail_errno(f, "%s does not answer (is it running?): connect '%s'", program,
				  path);
	if (wire_send(fd, request) < 0)
		return fail_errno(f, "send to %s", program);
	answer = wire_receive(fd);
	if (!answer)
		return fail(f, "%s went away without an answer", program);
	error = json_string_value(json_object_get(answer, "error"));
	if (error)
		return fail(f, "%s: %s", program, error);
	if (ret_answer)
		*ret_answer = json_incref(answer);
	return 0;
}

int wire_listen(const char *path, struct failure *f)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int ret;

	if (fd < 0)
		return fail_errno(f, "make a socket");
	if (address_of(path, &address, f) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return fail_errno(f, "remove '%s'", path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0)
		return fail_errno(f, "listen at '%s'", path);
	ret = fd;
	fd = -EBADF;
	return ret;
}
