#include "sys/spawn_child.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/file.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef CLOSE_RANGE_CLOEXEC /* Linux 5.11 */
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#define FD_LOOP_MAX 1048576

static const char *const DEFAULT_ENV[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	NULL,
};

/* The child's ends of everything, all numbered 3 or more. */
struct child_end {
	const char *path, *cwd;
	const char *const *argv, *const *env;
	const int *pass_fds;
	size_t pass_len;
	int in, out, err, exec;
};

static void child_end_release(struct child_end *end)
{
	end->in = fd_close(end->in);
	end->out = fd_close(end->out);
	end->err = fd_close(end->err);
	end->exec = fd_close(end->exec);
}

void spawn_child_release(struct spawn_child *child)
{
	child->pidfd = fd_close(child->pidfd);
	child->exec_fd = fd_close(child->exec_fd);
	child->out_fd = fd_close(child->out_fd);
	child->err_fd = fd_close(child->err_fd);
}

static _Noreturn void give_up(const struct child_end *end, enum spawn_stage stage, int code)
{
	const struct spawn_failure failure = { .stage = (int)stage, .code = code };

	/* Smaller than PIPE_BUF: all or nothing. If it is nothing, 127 is all we can say. */
	if (write(end->exec, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/*
 * By the kernel's own call: the C library's refuses the two signals it keeps for itself, and a parent
 * may have left these ignored as well.
 */
static void reset_signals(void)
{
	/* SIG_DFL, no flags, an empty mask, in whatever order this processor has them. */
	static const unsigned long standard[4];
	sigset_t none;

	for (int number = 1; number < NSIG; number++) /* EINVAL for SIGKILL and SIGSTOP */
		(void)syscall(SYS_rt_sigaction, number, standard, NULL, NSIG / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything from 3 on closes at exec, whoever opened it and forgot O_CLOEXEC. */
static void close_others_at_exec(void)
{
	struct rlimit limit;
	int max = FD_LOOP_MAX;

	if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	/* Linux < 5.11, or a sandbox that does not know the call. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FD_LOOP_MAX)
		max = (int)limit.rlim_cur;
	for (int fd = 3; fd < max; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int set_descriptors(const struct child_end *end)
{
	if (dup2(end->in, STDIN_FILENO) < 0 || dup2(end->out, STDOUT_FILENO) < 0 ||
	    dup2(end->err, STDERR_FILENO) < 0)
		return -errno;
	close_others_at_exec();
	for (size_t i = 0; i < end->pass_len; i++) {
		if (fcntl(end->pass_fds[i], F_SETFD, 0) < 0)
			return -errno;
	}
	return 0;
}

/* execve() takes its vectors without the inner const, and promises to leave them alone. */
static char *const *unconst(const char *const *v)
{
	char *const *plain;

	memcpy(&plain, &v, sizeof(plain));
	return plain;
}

static _Noreturn void child_main(const struct child_end *end)
{
	int r;

	(void)setpgid(0, 0);
	reset_signals();
	r = set_descriptors(end);
	if (r < 0)
		give_up(end, SPAWN_STAGE_SETUP, -r);
	if (chdir(end->cwd) < 0)
		give_up(end, SPAWN_STAGE_CWD, errno);
	(void)execve(end->path, unconst(end->argv), unconst(end->env));
	give_up(end, SPAWN_STAGE_EXEC, errno);
}

/* Away from 0-2, where dup2 in the child would overwrite it (a caller may have closed its own). */
static int fd_lift(int *fd)
{
	int high;

	if (*fd > STDERR_FILENO)
		return 0;
	high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (high < 0)
		return -errno;
	(void)fd_close(*fd);
	*fd = high;
	return 0;
}

/* A pipe whose reading end is ours and does not block; the writing end is the child's and does. */
static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];
	int r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	r = fd_lift(ret_write);
	if (r < 0)
		return r;
	if (fcntl(*ret_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/*
 * Input lies in a memory file, not in a pipe: nothing to feed, nothing to block on, no SIGPIPE when
 * the program does not read it.
 */
static int make_input(const struct spawn_options *options, int *ret)
{
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!options->input) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
	} else {
		/* vm.memfd_noexec=2 refuses files without it; unknown before 6.3. */
		fd = memfd_create("input", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
		if (fd < 0 && errno == EINVAL)
			fd = memfd_create("input", MFD_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = file_write_all(fd, options->input, options->input_len);
		if (r < 0)
			return r;
		if (lseek(fd, 0, SEEK_SET) < 0)
			return -errno;
	}
	r = fd_lift(&fd);
	if (r < 0)
		return r;
	*ret = TAKE_FD(fd);
	return 0;
}

static int fill_end(const char *path, const char *const *argv, const struct spawn_options *options,
		    struct child_end *end)
{
	*end = (struct child_end){
		.path = path,
		.argv = argv,
		.cwd = options->cwd ? options->cwd : "/",
		.env = options->env ? options->env : DEFAULT_ENV,
		.pass_fds = options->pass_fds,
		.in = -EBADF,
		.out = -EBADF,
		.err = -EBADF,
		.exec = -EBADF,
	};
	for (size_t i = 0; i < ARRAY_SIZE(options->pass_fds) && options->pass_fds[i]; i++) {
		if (options->pass_fds[i] <= STDERR_FILENO ||
		    fcntl(options->pass_fds[i], F_GETFD) < 0)
			return -EBADF;
		end->pass_len++;
	}
	return 0;
}

static int make_ends(const struct spawn_options *options, struct spawn_child *child,
		     struct child_end *end)
{
	int r = make_input(options, &end->in);

	if (r == 0)
		r = make_pipe(&child->out_fd, &end->out);
	if (r == 0)
		r = make_pipe(&child->err_fd, &end->err);
	if (r == 0)
		r = make_pipe(&child->exec_fd, &end->exec);
	return r;
}

int spawn_child_start(const char *path, const char *const *argv,
		      const struct spawn_options *options, struct spawn_child *ret,
		      struct error *err)
{
	_cleanup_(spawn_child_release) struct spawn_child child = SPAWN_CHILD_INIT;
	_cleanup_(child_end_release) struct child_end end;
	sigset_t all, before;
	int r = fill_end(path, argv, options, &end);

	if (r == 0)
		r = make_ends(options, &child, &end);
	if (r < 0)
		return error_errno(err, r, "prepare to run '%s'", path);

	/* No handler of ours may run in the child before it has put the dispositions back. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	child.pid = fork();
	if (child.pid == 0)
		child_main(&end);
	r = child.pid < 0 ? -errno : 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r < 0)
		return error_errno(err, r, "make a process for '%s'", path);

	/* Both sides do it: whoever comes first, a kill of the group finds it. */
	(void)setpgid(child.pid, child.pid);
	child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
	if (child.pidfd < 0)
		child.pidfd = -EBADF;
	*ret = child;
	child = SPAWN_CHILD_INIT;
	return 0;
}
