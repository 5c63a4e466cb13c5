#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "sys/namespace.h"
#include "sys/trial.h"

static int run_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no namespaces for us here\n");
		skip();
	}
	return WEXITSTATUS(status);
}

static void test_is_init(void **state)
{
	assert_true(namespace_is_init("systemd"));
	assert_true(namespace_is_init("init"));
	assert_false(namespace_is_init("pause"));
	assert_false(namespace_is_init("berth"));
	assert_false(namespace_is_init("systemd-journal"));
	assert_false(namespace_is_init(""));
}

/* PID 1 of a PID namespace, without a /proc of its own: the pod's own process. */
static int as_pid_one(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return 77;
	pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (namespace_enter_host(&err) != -EINVAL)
			_exit(1);
		_exit(strstr(err.message, "hostPID") ? 0 : 2);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 3;
	return WEXITSTATUS(status);
}

static void test_enter_as_pid_one(void **state)
{
	assert_int_equal(run_child(as_pid_one), 0);
}

/* Run `fn` as a child of a PID 1 called `comm`, in a PID namespace with its own /proc. */
static int below_init(const char *comm, int (*fn)(void))
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) < 0)
		return 77;
	pid = fork();
	if (pid == 0) {
		if (trial_own_mounts() < 0 ||
		    syscall(SYS_mount, "proc", "/proc", "proc", 0, NULL) < 0 ||
		    prctl(PR_SET_NAME, comm) < 0)
			_exit(77);
		pid = fork();
		if (pid == 0)
			_exit(fn());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			_exit(99);
		_exit(WEXITSTATUS(status));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 98;
	return WEXITSTATUS(status);
}

static int enter_from_outside(void)
{
	struct stat root, cwd, init_net, net;

	if (namespace_differs_from_init() != 0)
		return 1;
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0 ||
	    syscall(SYS_mount, "mine", "/tmp", "tmpfs", 0, NULL) < 0 || chdir("/tmp") < 0)
		return 77;
	if (namespace_differs_from_init() != 1)
		return 2;
	if (namespace_enter_host(NULL) != 0)
		return 3;
	if (namespace_differs_from_init() != 0)
		return 4;
	if (stat("/proc/1/ns/net", &init_net) < 0 || stat("/proc/self/ns/net", &net) < 0 ||
	    init_net.st_ino != net.st_ino)
		return 5;
	if (stat("/", &root) < 0 || stat(".", &cwd) < 0 || root.st_ino != cwd.st_ino ||
	    root.st_dev != cwd.st_dev)
		return 6;
	return namespace_enter_host(NULL) == 0 ? 0 : 7; /* again: nothing to do */
}

static int enter_below_systemd(void)
{
	return below_init("systemd", enter_from_outside);
}

static void test_enter(void **state)
{
	assert_int_equal(run_child(enter_below_systemd), 0);
}

static int enter_refused(void)
{
	struct error err = ERROR_INIT;
	int before;

	if (unshare(CLONE_NEWNS) < 0)
		return 77;
	before = namespace_differs_from_init();
	if (namespace_enter_host(&err) != -EINVAL)
		return 1;
	if (before != 1 || namespace_differs_from_init() != 1)
		return 2;
	return strstr(err.message, "PID 1 is 'pause'") && strstr(err.message, "hostPID") ? 0 : 3;
}

static int enter_below_pause(void)
{
	return below_init("pause", enter_refused);
}

static void test_enter_refused(void **state)
{
	assert_int_equal(run_child(enter_below_pause), 0);
}

/* Without the capability it says which one, and nothing has changed. */
static int enter_powerless(void)
{
	struct error err = ERROR_INIT;
	int r;

	if (unshare(CLONE_NEWNS) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 77;
	r = namespace_enter_host(&err);
	return r == -EPERM && strstr(err.message, "CAP_SYS_PTRACE") ? 0 : 1;
}

static int enter_powerless_below_systemd(void)
{
	return below_init("systemd", enter_powerless);
}

static void test_enter_powerless(void **state)
{
	assert_int_equal(run_child(enter_powerless_below_systemd), 0);
}

static void test_make_user(void **state)
{
	_cleanup_fd_ int fd = -EBADF;
	struct error err = ERROR_INIT;
	struct stat own, made;
	int r = namespace_make_user(500000, 1000, &fd, &err);

	if (r == -EPERM || r == -ENOSPC) {
		print_message("skipped: %s\n", err.message);
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(fstat(fd, &made), 0);
	assert_int_equal(stat("/proc/self/ns/user", &own), 0);
	assert_true(own.st_ino != made.st_ino);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* its process is gone */
}

/* The mapping is what was asked for: root inside is `first` outside. */
static int inside_user(void)
{
	_cleanup_free_ char *map = NULL;
	int fd;

	if (namespace_make_user(500000, 1000, &fd, NULL) < 0)
		return 77;
	if (setns(fd, CLONE_NEWUSER) < 0)
		return 1;
	if (file_read_at(AT_FDCWD, "/proc/self/uid_map", 4096, &map, NULL) < 0)
		return 2;
	return strstr(map, "500000       1000\n") ? 0 : 3;
}

static void test_user_map(void **state)
{
	assert_int_equal(run_child(inside_user), 0);
}

static void test_make_user_refused(void **state)
{
	struct error err = ERROR_INIT;
	int fd = 42;

	assert_true(namespace_make_user(0, 0, &fd, &err) < 0); /* an empty range */
	assert_true(err.code > 0);
	assert_int_equal(fd, 42);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_try_userns(void **state)
{
	char reason[256] = "old";
	int r = namespace_try_userns(reason);

	if (r == 0)
		print_message("not here: %s\n", reason);
	assert_true(r == 0 || r == 1);
	assert_true((r == 1) == (reason[0] == '\0'));
}

static int try_without_quota(void)
{
	_cleanup_fd_ int fd = -EBADF;
	char reason[256];
	int r;

	/* A user namespace with a limit of none, in which the trial must fail and say why. */
	if (namespace_make_user(0, 65536, &fd, NULL) < 0 || setns(fd, CLONE_NEWUSER) < 0)
		return 77;
	fd = fd_close(fd);
	fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return 77;
	r = namespace_try_userns(reason);
	if (r != 0)
		return 1;
	return strstr(reason, "max_user_namespaces") ? 0 : 2;
}

static void test_try_userns_forbidden(void **state)
{
	assert_int_equal(run_child(try_without_quota), 0);
}

static int dies(void *userdata, char reason[static TRIAL_REASON_MAX])
{
	_exit(3);
}

static int long_reason(void *userdata, char reason[static TRIAL_REASON_MAX])
{
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	return trial_says(0, ENOSPC, reason, "%s", text);
}

static void test_trial(void **state)
{
	char reason[TRIAL_REASON_MAX];

	assert_int_equal(trial_run(dies, NULL, reason), -EPROTO);
	assert_string_equal(reason, "the process that tried it died");
	assert_int_equal(trial_run(long_reason, NULL, reason), 0);
	assert_true(strlen(reason) < TRIAL_REASON_MAX);
	assert_non_null(strstr(reason, ": No space left on device"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_init),		cmocka_unit_test(test_enter_as_pid_one),
		cmocka_unit_test(test_enter),		cmocka_unit_test(test_enter_refused),
		cmocka_unit_test(test_enter_powerless), cmocka_unit_test(test_make_user),
		cmocka_unit_test(test_user_map),	cmocka_unit_test(test_make_user_refused),
		cmocka_unit_test(test_try_userns),	cmocka_unit_test(test_try_userns_forbidden),
		cmocka_unit_test(test_trial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
