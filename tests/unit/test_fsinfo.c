#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/fsinfo.h"

static void test_proc(void **state)
{
	_cleanup_fd_ int fd = open("/proc/self", O_PATH | O_CLOEXEC);
	struct fsinfo info;

	assert_true(fd >= 0);
	assert_int_equal(fsinfo_fd(fd, &info, NULL), 0);
	assert_string_equal(info.type, "proc");
	assert_false(info.volatile_memory);
	assert_true(info.inodes_available == UINT64_MAX); /* no fixed number */
}

static void test_root(void **state)
{
	_cleanup_fd_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fsinfo info;

	assert_true(fd >= 0);
	assert_int_equal(fsinfo_fd(fd, &info, NULL), 0);
	assert_true(info.total > 0);
	assert_true(info.available <= info.total);
	assert_true(info.unreserved > 0 && info.unreserved <= info.available);
	assert_non_null(info.type);
}

static void test_bad_descriptor(void **state)
{
	struct fsinfo info = { .total = 42 };
	struct error err = ERROR_INIT;

	assert_int_equal(fsinfo_fd(-EBADF, &info, &err), -EBADF);
	assert_int_equal(err.code, EBADF);
	assert_int_equal(info.total, 42);
}

/* In a child with its own mounts; its exit status says what failed. */
static int on_a_tmpfs(void)
{
	struct fsinfo before, after;
	int dir, file;

	if (unshare(CLONE_NEWNS) < 0 ||
	    syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    syscall(SYS_mount, "tmpfs", "/tmp", "tmpfs", 0, "size=8m,nr_inodes=100") < 0)
		return 77;
	dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsinfo_fd(dir, &before, NULL) < 0)
		return 1;
	if (strcmp(before.type, "tmpfs") != 0 || !before.volatile_memory)
		return 2;
	if (before.total != 8 << 20 || before.available > before.total)
		return 3;
	if (before.inodes_available == 0 || before.inodes_available > 100)
		return 4;
	file = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || posix_fallocate(file, 0, 1 << 20) != 0 || fsinfo_fd(file, &after, NULL) < 0)
		return 5;
	if (before.available - after.available != 1 << 20)
		return 6;
	return before.inodes_available - after.inodes_available == 1 ? 0 : 7;
}

static void test_tmpfs(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(on_a_tmpfs());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no mounting here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proc),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_bad_descriptor),
		cmocka_unit_test(test_tmpfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
