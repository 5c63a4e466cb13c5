#include "sys/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "sys/trial.h"

#define TRY_FIRST_ID 100000
#define TRY_IDS	     65536

static const struct {
	const char *name;
	int type;
} HOST_NAMESPACES[] = {
	/* The mount namespace last: with it /proc becomes the host's. */
	{ "cgroup", CLONE_NEWCGROUP }, /* else a process cannot see which pod's cgroup it is in */
	{ "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },
	{ "net", CLONE_NEWNET },
	{ "mnt", CLONE_NEWNS },
};

static const char *const INITS[] = {
	"systemd", "init", "openrc-init", "runit", "runit-init", "s6-svscan", "finit", "dinit",
};

struct host_fds {
	int fds[ARRAY_SIZE(HOST_NAMESPACES)];
};

static void host_fds_release(struct host_fds *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(host->fds); i++)
		host->fds[i] = fd_close(host->fds[i]);
}

int namespace_differs_from_init(void)
{
	struct stat init, own;

	if (stat("/proc/1/ns/mnt", &init) < 0 || stat("/proc/self/ns/mnt", &own) < 0)
		return -errno;
	return init.st_dev != own.st_dev || init.st_ino != own.st_ino;
}

bool namespace_is_init(const char *comm)
{
	for (size_t i = 0; i < ARRAY_SIZE(INITS); i++) {
		if (strcmp(comm, INITS[i]) == 0)
			return true;
	}
	return false;
}

/*
 * Without hostPID PID 1 is the container's own first process or, with shareProcessNamespace, the
 * pod's pause: "the host" would be a container, and all we install would go with it.
 */
static int check_init(struct error *err)
{
	_cleanup_free_ char *comm = NULL;
	int r = file_read_at(AT_FDCWD, "/proc/1/comm", 4096, &comm, NULL);

	if (r < 0)
		return error_errno(err, r, "read '/proc/1/comm'");
	comm[strcspn(comm, "\n")] = '\0';
	if (getpid() == 1 || !namespace_is_init(comm))
		return error_set(err, EINVAL,
				 "enter the host's namespaces: PID 1 is '%s', not the host's init; "
				 "the pod needs hostPID: true",
				 comm);
	return 0;
}

static int open_namespaces(struct host_fds *host, struct error *err)
{
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(HOST_NAMESPACES); i++) {
		(void)snprintf(path, sizeof(path), "/proc/1/ns/%s", HOST_NAMESPACES[i].name);
		host->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (host->fds[i] >= 0)
			continue;
		if (errno == EACCES || errno == EPERM)
			return error_set(
				err, EPERM,
				"open '%s': CAP_SYS_PTRACE is missing; the pod must be privileged",
				path);
		return error_errno(err, errno, "open '%s'", path);
	}
	return 0;
}

int namespace_enter_host(struct error *err)
{
	_cleanup_(host_fds_release) struct host_fds host;
	int r = check_init(err);

	for (size_t i = 0; i < ARRAY_SIZE(host.fds); i++)
		host.fds[i] = -EBADF;
	if (r < 0)
		return r;
	r = namespace_differs_from_init();
	if (r == 0)
		return 0;
	/* All of them first: after the first setns there must be nothing left that can fail. */
	r = open_namespaces(&host, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(HOST_NAMESPACES); i++) {
		if (setns(host.fds[i], HOST_NAMESPACES[i].type) == 0)
			continue;
		if (errno == EPERM)
			return error_set(
				err, EPERM,
				"enter the host's %s namespace: CAP_SYS_ADMIN or CAP_SYS_CHROOT "
				"is missing; the pod must be privileged",
				HOST_NAMESPACES[i].name);
		return error_errno(err, errno, "enter the host's %s namespace",
				   HOST_NAMESPACES[i].name);
	}
	if (chdir("/") < 0)
		return error_errno(err, errno, "go to the host's '/'");
	return 0;
}

/* Lives in the new namespace until its input ends: until then the parent can write the id maps. */
static _Noreturn void user_child(int ready, int done)
{
	int code;
	char byte;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	code = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	if (write(ready, &code, sizeof(code)) != (ssize_t)sizeof(code))
		_exit(1);
	while (code == 0 && read(done, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

static int write_map(pid_t pid, const char *name, uint32_t first, uint32_t count)
{
	_cleanup_fd_ int fd = -EBADF;
	char path[64], line[64];
	int len;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	len = snprintf(line, sizeof(line), "0 %u %u\n", first, count);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* One write: the kernel takes a map whole or not at all, and only once. */
	return write(fd, line, (size_t)len) == len ? 0 : -errno;
}

static int map_and_open(pid_t pid, int ready, uint32_t first, uint32_t count, int *ret_fd)
{
	char path[64];
	int code = 0, fd, r;
	ssize_t n;

	do
		n = read(ready, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(code))
		return n < 0 ? -errno : -EPROTO;
	if (code)
		return -code;
	r = write_map(pid, "uid_map", first, count);
	if (r == 0)
		r = write_map(pid, "gid_map", first, count);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int namespace_make_user(uint32_t first, uint32_t count, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int ready = -EBADF, ready_child = -EBADF, done = -EBADF, done_child = -EBADF;
	int up[2], down[2];
	pid_t pid;
	int r;

	if (pipe2(up, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	ready = up[0];
	ready_child = up[1];
	if (pipe2(down, O_CLOEXEC) < 0)
		return error_errno(err, errno, "make a pipe");
	done_child = down[0];
	done = down[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "make a process");
	if (pid == 0) {
		done = fd_close(done); /* else it would wait for itself */
		user_child(ready_child, done_child);
	}
	ready_child = fd_close(ready_child);
	r = map_and_open(pid, ready, first, count, ret_fd);
	done = fd_close(done);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? error_errno(err, r, "make a user namespace") : 0;
}

static const char *why_not(int code)
{
	switch (code) {
	case ENOSPC:
		return " (see sysctl user.max_user_namespaces)";
	case EPERM:
	case EACCES:
		return " (CAP_SYS_ADMIN missing, kernel.unprivileged_userns_clone or a security module)";
	case EINVAL:
		return " (no user namespaces in this kernel?)";
	default:
		return "";
	}
}

static int try_userns(void *userdata, char reason[static TRIAL_REASON_MAX])
{
	_cleanup_fd_ int fd = -EBADF;
	struct error err = ERROR_INIT;

	if (namespace_make_user(TRY_FIRST_ID, TRY_IDS, &fd, &err) < 0)
		return trial_says(0, 0, reason, "%s%s", err.message, why_not(err.code));
	if (setns(fd, CLONE_NEWUSER) < 0)
		return trial_says(0, errno, reason, "enter a new user namespace%s", why_not(errno));
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return trial_says(0, errno, reason, "become root in a new user namespace");
	/* Some security modules let it be made and take its capabilities away. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID |
		    CLONE_NEWCGROUP) < 0)
		return trial_says(0, errno, reason, "make namespaces inside a user namespace%s",
				  why_not(errno));
	return 1;
}

int namespace_try_userns(char ret_reason[static 256])
{
	return trial_run(try_userns, NULL, ret_reason);
}
