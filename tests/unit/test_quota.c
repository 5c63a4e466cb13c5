#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/loop.h"
#include "sys/mount.h"
#include "sys/quota.h"
#include "sys/spawn.h"
#include "sys/trial.h"

#define MIB	((uint64_t)1 << 20)
#define MKFS	"/usr/sbin/mkfs.xfs"
#define PROJECT 70001U

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

/* What a child that could not mount with quotas says with its exit status. */
#define NO_QUOTA 76
#define NO_MOUNT 77

static int make_image(struct loop_device *ret)
{
	const struct spawn_options options = { .timeout_ms = 60000 };
	const char *argv[] = { "mkfs.xfs", "-q", "-f", ret->device, NULL };
	struct error err = ERROR_INIT;
	char path[] = "/var/tmp/test_quota.XXXXXX";
	char reason[256];
	int image;

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0 ||
	    access(MKFS, X_OK) < 0 || mount_try_fs("xfs", reason) != 1) {
		print_message(
			"skipped: root, loop devices, mkfs.xfs and a kernel with XFS are needed\n");
		skip();
	}
	image = mkostemp(path, O_CLOEXEC);
	assert_true(image >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(image, (off_t)(320 * MIB)), 0);
	if (loop_attach(image, 0, ret, &err) < 0)
		fail_msg("%s", err.message);
	if (spawn_check(MKFS, argv, &options, NULL, &err) < 0) {
		(void)loop_detach(ret->device, NULL);
		fail_msg("%s", err.message);
	}
	return image;
}

static int on_mounted(const struct loop_device *loop, const char *options, int (*fn)(int dir))
{
	int dir;

	if (trial_own_mounts() < 0)
		return NO_MOUNT;
	if (mount_device(loop->device, "/mnt", "xfs", 0, options, NULL) < 0)
		return options ? NO_QUOTA : NO_MOUNT;
	dir = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? 99 : fn(dir);
}

/* Run on a fresh XFS, mounted in a child; skip the test where that cannot be. */
static void run_on_xfs(const char *options, int (*fn)(int dir))
{
	struct loop_device loop;
	int image = make_image(&loop);
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(on_mounted(&loop, options, fn));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(loop_detach(loop.device, NULL), 0);
	image = fd_close(image);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_QUOTA || WEXITSTATUS(status) == NO_MOUNT) {
		print_message(WEXITSTATUS(status) == NO_QUOTA
				      ? "skipped: XFS of this kernel has no project quotas\n"
				      : "skipped: no mounting (or no seccomp filters) here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int tag(int dir)
{
	_cleanup_fd_ int tagged = -EBADF, plain = -EBADF, below = -EBADF, file = -EBADF;
	uint32_t project = 42;
	bool inherit = true;

	if (quota_get_project(dir, &project, &inherit, NULL) < 0 || project != 0 || inherit)
		return 1;
	if (mkdirat(dir, "tagged", 0700) < 0 || mkdirat(dir, "plain", 0700) < 0)
		return 2;
	tagged = openat(dir, "tagged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	plain = openat(dir, "plain", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (quota_set_project(tagged, PROJECT, true, NULL) < 0 ||
	    quota_set_project(plain, UINT32_MAX - 1, false, NULL) < 0)
		return 3;
	if (quota_get_project(tagged, &project, &inherit, NULL) < 0 || project != PROJECT ||
	    !inherit)
		return 4;
	if (quota_get_project(plain, &project, &inherit, NULL) < 0 || project != UINT32_MAX - 1 ||
	    inherit)
		return 5;
	/* What is made inside belongs to it; a directory hands it on, a file does not. */
	if (mkdirat(tagged, "below", 0700) < 0)
		return 6;
	below = openat(tagged, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(below, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (quota_get_project(below, &project, &inherit, NULL) < 0 || project != PROJECT ||
	    !inherit)
		return 7;
	if (quota_get_project(file, &project, &inherit, NULL) < 0 || project != PROJECT || inherit)
		return 8;
	if (quota_set_project(file, 5, true, NULL) < 0 ||
	    quota_get_project(file, &project, &inherit, NULL) < 0 || project != 5 || inherit)
		return 9;
	/* Off again, and twice the same is fine. */
	if (quota_set_project(tagged, PROJECT, false, NULL) < 0 ||
	    quota_set_project(tagged, PROJECT, false, NULL) < 0 ||
	    quota_get_project(tagged, &project, &inherit, NULL) < 0 || project != PROJECT ||
	    inherit)
		return 10;
	return 0;
}

static void test_tag(void **state)
{
	run_on_xfs(NULL, tag);
}

/* Tagging must not take away the file's other attributes. */
static int tag_keeps_flags(int dir)
{
	_cleanup_fd_ int fd = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct fsxattr before, after;

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &before) < 0)
		return 1;
	before.fsx_xflags |= FS_XFLAG_NOATIME | FS_XFLAG_NODUMP;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &before) < 0)
		return 2;
	if (quota_set_project(fd, PROJECT, true, NULL) < 0 ||
	    ioctl(fd, FS_IOC_FSGETXATTR, &after) < 0)
		return 3;
	if (after.fsx_projid != PROJECT || after.fsx_xflags != before.fsx_xflags)
		return 4;
	return after.fsx_extsize == before.fsx_extsize ? 0 : 5;
}

static void test_tag_keeps_flags(void **state)
{
	run_on_xfs(NULL, tag_keeps_flags);
}

static int state_without_quota(int dir)
{
	struct quota_state quota = { true, true };
	struct quota_usage usage = { .project = 42 };
	struct error err = ERROR_INIT;

	if (quota_get_state(dir, &quota, &err) < 0 || quota.accounting || quota.enforcement)
		return 1;
	if (quota_get(dir, PROJECT, &usage, &err) >= 0 || !strstr(err.message, "70001"))
		return 2;
	if (quota_set_limit(dir, PROJECT, MIB, 10, &err) >= 0 ||
	    quota_next(dir, 0, &usage, &err) >= 0)
		return 3;
	return usage.project == 42 ? 0 : 4;
}

static void test_without_quota(void **state)
{
	run_on_xfs(NULL, state_without_quota);
}

static int limits(int dir)
{
	struct quota_state quota = { 0 };
	struct quota_usage usage;

	if (quota_get_state(dir, &quota, NULL) < 0 || !quota.accounting || !quota.enforcement)
		return 1;
	if (quota_get(dir, PROJECT, &usage, NULL) < 0 || usage.project != PROJECT || usage.hard ||
	    usage.used)
		return 2;
	if (quota_set_limit(dir, PROJECT, 8 * MIB, 100, NULL) < 0 ||
	    quota_set_limit(dir, PROJECT + 5, 1, 0, NULL) < 0)
		return 3;
	if (quota_get(dir, PROJECT, &usage, NULL) < 0 || usage.hard != 8 * MIB ||
	    usage.soft != 8 * MIB || usage.inode_hard != 100 || usage.inode_soft != 100)
		return 4;
	/* One byte is a limit, not none. */
	if (quota_get(dir, PROJECT + 5, &usage, NULL) < 0 || usage.hard == 0 || usage.hard > 4096 ||
	    usage.inode_hard)
		return 5;
	if (quota_next(dir, 1, &usage, NULL) < 0 || usage.project != PROJECT)
		return 6;
	if (quota_next(dir, PROJECT + 1, &usage, NULL) < 0 || usage.project != PROJECT + 5)
		return 7;
	if (quota_next(dir, PROJECT + 6, &usage, NULL) != -ENOENT)
		return 8;
	if (quota_set_limit(dir, PROJECT + 5, 0, 0, NULL) < 0 ||
	    quota_next(dir, PROJECT + 1, &usage, NULL) != -ENOENT)
		return 9;
	return 0;
}

static void test_limits(void **state)
{
	run_on_xfs("prjquota", limits);
}

static int write_mib(int dir, const char *name, size_t mib)
{
	_cleanup_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return posix_fallocate(fd, 0, (off_t)(mib * MIB));
}

static int enforcement(int dir)
{
	_cleanup_fd_ int tagged = -EBADF;
	struct quota_usage usage;

	if (mkdirat(dir, "tagged", 0700) < 0)
		return 1;
	tagged = openat(dir, "tagged", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (quota_set_project(tagged, PROJECT, true, NULL) < 0 ||
	    quota_set_limit(dir, PROJECT, 8 * MIB, 5, NULL) < 0)
		return 2;
	if (write_mib(tagged, "a", 4) != 0)
		return 3;
	if (quota_get(dir, PROJECT, &usage, NULL) < 0 || usage.used < 4 * MIB || usage.inodes != 2)
		return 4;
	if (write_mib(tagged, "b", 5) != ENOSPC)
		return 5;
	if (write_mib(dir, "outside", 20) != 0)
		return 6;
	/* Project 0's is everybody's default. */
	if (quota_set_limit(dir, 0, 2 * MIB, 0, NULL) < 0 ||
	    quota_set_project(tagged, PROJECT + 1, true, NULL) < 0 ||
	    write_mib(tagged, "c", 3) != ENOSPC)
		return 7;
	return 0;
}

static void test_enforcement(void **state)
{
	run_on_xfs("prjquota", enforcement);
}

static bool deny_syscall(unsigned number)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int limits_on_an_old_kernel(int dir)
{
	return deny_syscall(SYS_quotactl_fd) ? limits(dir) : NO_MOUNT;
}

static void test_limits_without_quotactl_fd(void **state)
{
	run_on_xfs("prjquota", limits_on_an_old_kernel);
}

static int state_on_an_old_kernel(int dir)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct quota_usage usage;

	if (!deny_syscall(SYS_quotactl_fd))
		return NO_MOUNT;
	/* No device beneath. */
	if (quota_get(proc, PROJECT, &usage, NULL) != -ENODEV)
		return 20;
	/* The device is found and quotactl asked: it has another answer than "no device". */
	if (quota_get(dir, PROJECT, &usage, NULL) == -ENODEV)
		return 21;
	return state_without_quota(dir);
}

static void test_state_without_quotactl_fd(void **state)
{
	run_on_xfs(NULL, state_on_an_old_kernel);
}

static void test_errors(void **state)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct quota_state quota = { true, true };
	struct quota_usage usage = { .project = 42 };
	struct error err = ERROR_INIT;
	uint32_t project = 42;
	bool inherit = true;

	assert_int_equal(quota_get_state(proc, &quota, &err), 0);
	assert_false(quota.accounting || quota.enforcement);
	assert_int_equal(quota_get_state(-EBADF, &quota, &err), -EBADF);
	assert_int_equal(quota_get(-EBADF, PROJECT, &usage, &err), -EBADF);
	assert_non_null(strstr(err.message, "project 70001"));
	assert_true(quota_set_limit(proc, PROJECT, 0, 0, &err) < 0);
	assert_true(quota_get_project(proc, &project, &inherit, &err) < 0);
	assert_true(quota_set_project(proc, 1, true, &err) < 0);
	assert_int_equal(quota_set_project(-EBADF, 1, true, &err), -EBADF);
	assert_int_equal(usage.project, 42);
	assert_int_equal(project, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tag),
		cmocka_unit_test(test_tag_keeps_flags),
		cmocka_unit_test(test_without_quota),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_enforcement),
		cmocka_unit_test(test_limits_without_quotactl_fd),
		cmocka_unit_test(test_state_without_quotactl_fd),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
