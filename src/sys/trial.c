#include "sys/trial.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TRIAL_MS 30000

/* Smaller than PIPE_BUF: read and written in one piece. */
struct report {
	int result;
	char reason[TRIAL_REASON_MAX];
};

int trial_says(int result, int code, char reason[static TRIAL_REASON_MAX], const char *fmt, ...)
{
	char what[TRIAL_REASON_MAX - 64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (code)
		(void)snprintf(reason, TRIAL_REASON_MAX, "%s: %.60s", what,
			       strerror(code < 0 ? -code : code));
	else
		(void)snprintf(reason, TRIAL_REASON_MAX, "%s", what);
	return result;
}

int trial_own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

static _Noreturn void child_main(int fd, trial_fn fn, void *userdata)
{
	struct report report = { .result = -EPROTO };
	ssize_t n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	report.result = fn(userdata, report.reason);
	n = write(fd, &report, sizeof(report));
	_exit(n == (ssize_t)sizeof(report) ? 0 : 1);
}

static int read_report(int fd, struct report *ret)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&pollfd, 1, TRIAL_MS);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	n = read(fd, ret, sizeof(*ret));
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*ret) ? 0 : -EPROTO;
}

int trial_run(trial_fn fn, void *userdata, char ret_reason[static TRIAL_REASON_MAX])
{
	_cleanup_fd_ int reader = -EBADF, writer = -EBADF;
	struct report report = { 0 };
	int fds[2];
	pid_t pid;
	int r;

	ret_reason[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) < 0)
		return trial_says(-errno, errno, ret_reason, "make a pipe");
	reader = fds[0];
	writer = fds[1];
	pid = fork();
	if (pid < 0)
		return trial_says(-errno, errno, ret_reason, "make a process");
	if (pid == 0)
		child_main(writer, fn, userdata);
	writer = fd_close(writer);
	r = read_report(reader, &report);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return trial_says(r, 0, ret_reason, "not done after %d seconds", TRIAL_MS / 1000);
	if (r < 0)
		return trial_says(r, 0, ret_reason, "the process that tried it died");
	(void)snprintf(ret_reason, TRIAL_REASON_MAX, "%s", report.reason);
	return report.result;
}
