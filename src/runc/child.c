#include "runc/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define BY_SIGNAL 128 /* as shells say it, were the signal not to end this process */

struct signals {
	sigset_t mask;
	struct sigaction child;
};

/* From here on they are taken by passing_on() alone. */
static int hold(struct signals *ret)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t all;

	/* Where it is ignored, as some engines have it, there is nothing to wait for. */
	if (sigfillset(&all) < 0 || sigaction(SIGCHLD, &by_default, &ret->child) < 0)
		return -errno;
	return sigprocmask(SIG_BLOCK, &all, &ret->mask) < 0 ? -errno : 0;
}

static void become(const char *program, char **argv, const struct signals *signals, pid_t parent, int failed)
{
	int code;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(BY_SIGNAL + SIGKILL);
	(void)sigaction(SIGCHLD, &signals->child, NULL);
	(void)sigprocmask(SIG_SETMASK, &signals->mask, NULL);
	(void)execv(program, argv);
	code = errno;
	if (write(failed, &code, sizeof(code)) < 0)
		_exit(BY_SIGNAL);
	_exit(BY_SIGNAL - 1);
}

/* What a terminal sends comes to the child by itself. */
static int passing_on(pid_t pid)
{
	sigset_t all;
	siginfo_t info;
	int status, signal;

	(void)sigfillset(&all);
	for (;;) {
		signal = sigwaitinfo(&all, &info);
		if (signal == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (signal > 0 && signal != SIGCHLD && info.si_code <= 0)
			(void)kill(pid, signal);
	}
}

int child_run(const char *program, char **argv, int *ret_status, struct error *err)
{
	_cleanup_fd_ int reading = -EBADF, writing = -EBADF;
	struct signals signals;
	pid_t pid, self = getpid();
	int fds[2], code = 0, r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	reading = fds[0];
	writing = fds[1];
	r = hold(&signals);
	pid = r == 0 ? fork() : -1;
	if (pid == 0)
		become(program, argv, &signals, self, writing);
	if (pid < 0)
		return error_errno(err, r < 0 ? r : errno, "begin a process");
	fd_closep(&writing);
	/* Nothing comes where it was executed. */
	if (read(reading, &code, sizeof(code)) != sizeof(code))
		code = 0;
	*ret_status = passing_on(pid);
	return code ? error_set(err, code, "%s", strerror(code)) : 0;
}

int child_end_as(int status)
{
	const struct rlimit no_core = { 0, 0 };
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t one;

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	/* The child has left its own. */
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)sigaction(WTERMSIG(status), &by_default, NULL);
	(void)sigemptyset(&one);
	(void)sigaddset(&one, WTERMSIG(status));
	(void)raise(WTERMSIG(status));
	(void)sigprocmask(SIG_UNBLOCK, &one, NULL);
	return BY_SIGNAL + WTERMSIG(status);
}
