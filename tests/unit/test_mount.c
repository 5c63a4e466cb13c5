#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sys/mount.h"
#include "sys/mountinfo.h"
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
		print_message("skipped: no mounting (or no seccomp filters) for us here\n");
		skip();
	}
	return WEXITSTATUS(status);
}

static const char *source_at(const char *target, struct mount_table *table)
{
	const struct mount_entry *entry;

	mount_table_release(table);
	if (mount_table_read_self(table, NULL) < 0)
		return "?";
	entry = mount_table_at(table, target);
	return entry ? entry->source : "";
}

static int mount_and_unmount(void)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	if (trial_own_mounts() < 0)
		return 77;
	if (mount_device("one", "/tmp", "tmpfs", MS_NOSUID, "size=1m", NULL) < 0)
		return 1;
	if (strcmp(source_at("/tmp", &table), "one") != 0)
		return 2;
	if (!mount_option_has(mount_table_at(&table, "/tmp")->options, "nosuid") ||
	    !mount_option_has(mount_table_at(&table, "/tmp")->super_options, "size=1024k"))
		return 3;
	if (mkdir("/tmp/a", 0700) < 0 || mkdir("/tmp/b", 0700) < 0 ||
	    mkdir("/tmp/a/sub", 0700) < 0 ||
	    mount_device("two", "/tmp/a/sub", "tmpfs", 0, NULL, NULL) < 0)
		return 4;
	/* Without recursion what is mounted below stays away, with it it comes along. */
	if (mount_bind("/tmp/a", "/tmp/b", false, NULL) < 0 ||
	    strcmp(source_at("/tmp/b/sub", &table), "") != 0)
		return 5;
	if (mount_detach("/tmp/b", false, NULL) < 0 ||
	    mount_bind("/tmp/a", "/tmp/b", true, NULL) < 0 ||
	    strcmp(source_at("/tmp/b/sub", &table), "two") != 0)
		return 6;
	return 0;
}

static void test_mount(void **state)
{
	assert_int_equal(run_child(mount_and_unmount), 0);
}

static int unmount_errors(void)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_fd_ int busy = -EBADF;
	struct error err = ERROR_INIT;

	if (trial_own_mounts() < 0 || mount_device("one", "/tmp", "tmpfs", 0, NULL, NULL) < 0)
		return 77;
	if (mkdir("/tmp/dir", 0700) < 0 || symlink("dir", "/tmp/link") < 0)
		return 1;
	if (mount_detach("/tmp/dir", false, &err) != -EINVAL || !strstr(err.message, "'/tmp/dir'"))
		return 2;
	if (mount_device("two", "/tmp/dir", "tmpfs", 0, NULL, NULL) < 0)
		return 3;
	/* A symlink in a mount point's place is not followed. */
	if (mount_detach("/tmp/link", false, &err) != -EINVAL ||
	    strcmp(source_at("/tmp/dir", &table), "two") != 0)
		return 4;
	busy = open("/tmp/dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (busy < 0 || mount_detach("/tmp/dir", false, &err) != -EBUSY)
		return 5;
	if (mount_detach("/tmp/dir", true, &err) < 0 ||
	    strcmp(source_at("/tmp/dir", &table), "") != 0)
		return 6;
	return 0;
}

static void test_unmount_errors(void **state)
{
	assert_int_equal(run_child(unmount_errors), 0);
}

static void test_mount_errors(void **state)
{
	struct error err = ERROR_INIT;

	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	assert_int_equal(mount_device("x", "/no/such/dir", "tmpfs", 0, "size=1m", &err), -ENOENT);
	assert_string_equal(
		err.message,
		"mount 'x' (tmpfs, size=1m) on '/no/such/dir': No such file or directory");
	assert_int_equal(mount_device("/dev/null", "/mnt", "no-such-fs", 0, NULL, &err), -ENODEV);
	assert_int_equal(mount_bind("/no/such/dir", "/mnt", true, &err), -ENOENT);
	assert_non_null(strstr(err.message, "bind '/no/such/dir' on '/mnt'"));
}

static void expect_verdict(int r, const char *reason)
{
	if (r == 0)
		print_message("not here: %s\n", reason);
	if (r < 0) {
		print_message("skipped: %s\n", reason);
		skip();
	}
	assert_true((r == 1) == (reason[0] == '\0'));
}

static size_t count_mounts(void)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	assert_int_equal(mount_table_read_self(&table, NULL), 0);
	return table.len;
}

static void test_try_overlay(void **state)
{
	char reason[256];
	size_t before = count_mounts();
	int r = mount_try_overlay(reason);

	assert_int_equal(count_mounts(), before);
	/* Listed by the kernel and root: then it has to work. */
	if (geteuid() == 0 && mount_try_fs("overlay", (char[256]){ 0 }) == 1 && r == 0)
		fail_msg("%s", reason);
	expect_verdict(r, reason);
}

static size_t count_leftovers(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, ".berth-try-", 11) == 0;
	assert_int_equal(closedir(dir), 0);
	return n;
}

static void test_try_idmapped_overlay(void **state)
{
	char reason[256];
	size_t before = count_mounts();
	int r = mount_try_idmapped_overlay("/var/tmp", reason);

	assert_int_equal(count_mounts(), before);
	assert_int_equal(count_leftovers("/var/tmp"), 0);
	expect_verdict(r, reason);
}

static void test_try_idmapped_overlay_on_tmpfs(void **state)
{
	char reason[256];
	int r = mount_try_idmapped_overlay(NULL, reason);

	expect_verdict(r, reason);
}

static void test_try_idmapped_overlay_nowhere(void **state)
{
	char reason[256];

	assert_int_equal(mount_try_idmapped_overlay("/no/such/dir", reason), -ENOENT);
	assert_non_null(strstr(reason, "'/no/such/dir'"));
	assert_true(mount_try_idmapped_overlay("/proc", reason) < 0);
}

/* From here on `number` is unknown to this process. */
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

static int on_an_old_kernel(void)
{
	char reason[256];

	if (mount_try_idmapped_overlay("/var/tmp", reason) < 0 ||
	    !deny_syscall(SYS_mount_setattr) || !deny_syscall(SYS_fsopen))
		return 77;
	if (mount_try_idmapped_overlay("/var/tmp", reason) != 0 || !strstr(reason, "mount_setattr"))
		return 1;
	if (mount_try_fs("tmpfs", reason) != 1)
		return 2;
	return mount_try_fs("no-such-fs", reason) == 0 && strstr(reason, "no-such-fs") ? 0 : 3;
}

static void test_old_kernel(void **state)
{
	assert_int_equal(run_child(on_an_old_kernel), 0);
	assert_int_equal(count_leftovers("/var/tmp"), 0);
}

static void test_try_fs(void **state)
{
	char reason[256] = "old";

	assert_int_equal(mount_try_fs("tmpfs", reason), 1);
	assert_string_equal(reason, "");
	assert_int_equal(mount_try_fs("proc", reason), 1);
	if (geteuid() == 0) {
		assert_int_equal(mount_try_fs("no-such-fs", reason), 0);
		assert_non_null(strstr(reason, "'no-such-fs'"));
		assert_int_equal(mount_try_fs("tmp", reason), 0);
		assert_int_equal(mount_try_fs("nodev", reason), 0);
		assert_true(mount_try_fs("", reason) <= 0);
	}
}

static void test_try_fuse(void **state)
{
	char reason[256];

	expect_verdict(mount_try_fuse(reason), reason);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_unmount_errors),
		cmocka_unit_test(test_mount_errors),
		cmocka_unit_test(test_try_overlay),
		cmocka_unit_test(test_try_idmapped_overlay),
		cmocka_unit_test(test_try_idmapped_overlay_on_tmpfs),
		cmocka_unit_test(test_try_idmapped_overlay_nowhere),
		cmocka_unit_test(test_old_kernel),
		cmocka_unit_test(test_try_fs),
		cmocka_unit_test(test_try_fuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
