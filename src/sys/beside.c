#include "sys/beside.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/wait.h>

struct outcome {
	int result;
	struct error err;
};

_Static_assert(sizeof(struct outcome) <= PIPE_BUF, "written and read in one piece");

static _Noreturn void child_main(int fd, beside_fn fn, void *userdata)
{
	struct outcome outcome = { .err = ERROR_INIT };
	ssize_t n;

	outcome.result = fn(userdata, &outcome.err);
	n = write(fd, &outcome, sizeof(outcome));
	_exit(n == (ssize_t)sizeof(outcome) ? 0 : 1);
}

int beside_start(beside_fn fn, void *userdata, struct beside *ret, struct error *err)
{
	_cleanup_fd_ int reader = -EBADF, writer = -EBADF;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	reader = fds[0];
	writer = fds[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "make a process");
	if (pid == 0) {
		(void)fd_close(reader);
		child_main(writer, fn, userdata);
	}
	*ret = (struct beside){ .pid = pid, .fd = TAKE_FD(reader) };
	return 0;
}

int beside_finish(struct beside *beside, struct error *err)
{
	struct outcome outcome = { .result = -EPROTO };
	ssize_t n;

	if (!beside->pid)
		return 0;
	do
		n = read(beside->fd, &outcome, sizeof(outcome));
	while (n < 0 && errno == EINTR);
	while (waitpid(beside->pid, NULL, 0) < 0 && errno == EINTR)
		;
	beside->fd = fd_close(beside->fd);
	beside->pid = 0;
	if (n != (ssize_t)sizeof(outcome))
		return error_set(err, EPROTO, "the process that was at work beside this one died");
	if (err && outcome.result < 0)
		*err = outcome.err;
	return outcome.result;
}

void beside_release(struct beside *beside)
{
	struct error ignored = ERROR_INIT;

	(void)beside_finish(beside, &ignored);
}
