/* A real pool: an image, a loop device, an XFS at its place in a child's own mount namespace. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "change/change.h"
#include "node/pool_grow.h"
#include "spec/spec.h"
#include "sys/loop.h"
#include "sys/mount.h"
#include "sys/spawn.h"
#include "sys/trial.h"
#include "sys/trim.h"

#define MIB  ((uint64_t)1 << 20)
#define MKFS "/usr/sbin/mkfs.xfs"

#define check(what)                                                                  \
	do {                                                                         \
		if (!(what)) {                                                       \
			print_message("%d: %s: %s\n", __LINE__, #what, err.message); \
			return 1;                                                    \
		}                                                                    \
	} while (0)

static struct host host;
static char image[64];
static struct loop_device loop;
static struct error err;

static void make_image(void)
{
	const char *argv[] = { "mkfs.xfs", "-q", "-f", "-K", loop.device, NULL };
	const struct spawn_options options = { .timeout_ms = 60000 };
	char reason[256];
	_cleanup_fd_ int fd = -EBADF;

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0 ||
	    access(MKFS, X_OK) < 0 || mount_try_fs("xfs", reason) != 1) {
		print_message(
			"skipped: root, loop devices, mkfs.xfs and a kernel with XFS are needed\n");
		skip();
	}
	memcpy(image, "/var/tmp/test_pool_grow.XXXXXX", 31);
	fd = mkostemp(image, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fallocate(fd, 0, 0, (off_t)(320 * MIB)), 0);
	error_clear(&err);
	if (loop_attach(fd, 0, &loop, &err) < 0 ||
	    spawn_check(MKFS, argv, &options, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

static int teardown(void **state)
{
	if (loop.device[0])
		(void)loop_detach(loop.device, NULL);
	if (image[0])
		(void)unlink(image);
	loop.device[0] = image[0] = '\0';
	return 0;
}

/* A tmpfs over /var/lib hides the machine's own pool, should it have one. */
static int mount_pool(void)
{
	check(trial_own_mounts() == 0);
	check(mount_device("none", "/var/lib", "tmpfs", 0, NULL, &err) == 0);
	check(mkdir(STATE_DIR, 0755) == 0 && mkdir(POOL_DIR, 0755) == 0);
	return mount_device(loop.device, POOL_DIR, "xfs", 0, NULL, &err) < 0 ? 2 : 0;
}

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int r = host_open_root(NULL, &host, &err) < 0 ? 3 : mount_pool();

		if (r)
			print_message("%s\n", err.message);
		_exit(r ? r : fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int look(struct pool_now *now)
{
	pool_now_release(now);
	return pool_now_read(&host, "", now, &err);
}

/* ---- what is there ---- */

static int figures(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;

	check(look(&now) == 0);
	check(strcmp(now.name, image) == 0 && strcmp(now.device, loop.device) == 0);
	check(!now.figures.device && now.figures.size == 320 * MIB);
	check(now.figures.data == 320 * MIB && now.figures.allocated >= 320 * MIB);
	check(now.figures.total > 200 * MIB && now.figures.used < now.figures.total / 2);
	check(now.figures.disk_free > 0 && now.figures.disk_free <= now.figures.disk_total);
	/* The same, when the settings name the loop device: what is below it is not ours. */
	check(pool_now_read(&host, loop.device, &now, &err) == 0);
	check(now.figures.device && now.image_fd < 0 && now.figures.size == 320 * MIB);
	check(strcmp(now.name, loop.device) == 0);
	return 0;
}

static void test_figures(void **state)
{
	make_image();
	assert_int_equal(in_child(figures), 0);
}

static int replaced(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	char aside[80];
	int fd;

	(void)snprintf(aside, sizeof(aside), "%s.aside", image);
	check(link(image, aside) == 0 && unlink(image) == 0);
	check(look(&now) < 0); /* the kernel says "... (deleted)" */
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && look(&now) < 0);
	check(rename(aside, image) == 0);
	return 0;
}

static void test_another_file_in_the_images_place(void **state)
{
	make_image();
	assert_int_equal(in_child(replaced), 0);
}

static void test_no_pool(void **state)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	struct host folder = { .root_fd = -EBADF, .root = image };
	char reason[TRIAL_REASON_MAX];

	assert_int_equal(pool_now_read(&folder, "", &now, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "is a folder"));
	if (mount_try_fs("xfs", reason) < 0 || access(POOL_DIR, F_OK) == 0) {
		print_message("skipped: this machine may have a pool of its own\n");
		skip();
	}
	assert_int_equal(host_open_root(NULL, &host, NULL), 0);
	assert_int_equal(pool_now_read(&host, "", &now, &err), -ENOTCONN);
	assert_non_null(strstr(err.message, "no pool is mounted at " POOL_DIR));
	host_release(&host);
}

/* ---- growth ---- */

static int written(int dir)
{
	_cleanup_fd_ int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	char text[8] = "";

	return fd >= 0 && read(fd, text, 7) == 7 && strcmp(text, "written") == 0;
}

static int grow_in_full(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	int fd;

	check(look(&now) == 0);
	fd = openat(now.dir_fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && file_write_all(fd, "written", 7) == 0 && close(fd) == 0);
	check(pool_grow(&now, 640 * MIB, POOL_ALLOCATE_AUTO, &err) == 0);
	check(look(&now) == 0);
	check(now.figures.size == 640 * MIB && now.figures.data == 640 * MIB);
	check(now.figures.allocated >= 640 * MIB && now.figures.total > 500 * MIB);
	check(pool_grow(&now, 640 * MIB, POOL_ALLOCATE_AUTO, &err) == 0); /* nothing to do */
	check(written(now.dir_fd));
	return 0;
}

static void test_grow_in_full(void **state)
{
	make_image();
	assert_int_equal(in_child(grow_in_full), 0);
}

static int grow_sparse_and_trim(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	uint64_t allocated, discarded = 0;

	check(look(&now) == 0);
	allocated = now.figures.allocated;
	check(pool_grow(&now, 512 * MIB, POOL_ALLOCATE_SPARSE, &err) == 0);
	check(look(&now) == 0);
	check(now.figures.data == 512 * MIB && now.figures.allocated < allocated + 32 * MIB);
	check(pool_promised(&now.figures) > 100 * MIB);
	check(trim_free_space(now.dir_fd, &discarded, &err) == 0);
	check(discarded > 200 * MIB);
	check(look(&now) == 0 && now.figures.allocated < 128 * MIB);
	return 0;
}

static void test_grow_sparse_and_trim(void **state)
{
	make_image();
	assert_int_equal(in_child(grow_sparse_and_trim), 0);
}

/* As a device that its owner has enlarged. */
static int grow_device(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	const struct pool_policy policy = { .grow_at = 80, .grow_by = 64 * MIB };
	uint64_t target;

	check(truncate(image, (off_t)(448 * MIB)) == 0);
	check(loop_refresh_size(loop.device, &err) == 0);
	check(pool_now_read(&host, loop.device, &now, &err) == 0);
	check(pool_policy_auto(&now.figures, &policy, &target, &err) == 1 && target == 448 * MIB);
	check(pool_grow(&now, target, POOL_ALLOCATE_AUTO, &err) == 0);
	pool_now_release(&now);
	check(pool_now_read(&host, loop.device, &now, &err) == 0);
	check(now.figures.data == 448 * MIB);
	check(pool_policy_auto(&now.figures, &policy, &target, &err) == 0);
	check(pool_grow(&now, 512 * MIB, POOL_ALLOCATE_AUTO, &err) == -EIO);
	return 0;
}

static void test_grow_device(void **state)
{
	make_image();
	assert_int_equal(in_child(grow_device), 0);
}

/* Larger than a file may be on any disk: refused, and the image is as it was. */
static int too_large(void)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;

	check(look(&now) == 0);
	check(pool_grow(&now, (uint64_t)1 << 62, POOL_ALLOCATE_FULL, &err) < 0);
	check(strstr(err.message, "grow the pool: extend '") && strstr(err.message, image));
	check(look(&now) == 0 && now.figures.size == 320 * MIB);
	check(now.figures.allocated < 400 * MIB);
	return 0;
}

static void test_too_large(void **state)
{
	make_image();
	assert_int_equal(in_child(too_large), 0);
}

/* ---- cut off ---- */

static int cut_at(int point)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	char at[2] = { (char)('0' + point), '\0' };
	int status;
	pid_t pid;

	check(look(&now) == 0);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FAULT_AT", at, 1);
		_exit(pool_grow(&now, 448 * MIB, POOL_ALLOCATE_AUTO, &err) < 0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int cut_and_finish(int point)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	const struct pool_policy policy = { 0 };
	int cut = cut_at(point);
	uint64_t target;

	if (cut == 0)
		return 77; /* no such point (any more), or none compiled in */
	check(cut == 137 && look(&now) == 0 && now.figures.size == 448 * MIB);
	if (point < 3) {
		check(now.figures.data == 320 * MIB);
		check(pool_policy_auto(&now.figures, &policy, &target, &err) == 1);
		check(pool_grow(&now, target, POOL_ALLOCATE_AUTO, &err) == 0 && look(&now) == 0);
	}
	check(now.figures.data == 448 * MIB && !pool_is_unfinished(&now.figures));
	return 0;
}

static int cut_first(void)
{
	return cut_and_finish(1);
}

static int cut_second(void)
{
	return cut_and_finish(2);
}

static int cut_third(void)
{
	return cut_and_finish(3);
}

static int cut_fourth(void)
{
	return cut_and_finish(4);
}

static void test_cut_off(void **state)
{
	static int (*const CUTS[])(void) = { cut_first, cut_second, cut_third };

	for (size_t i = 0; i < ARRAY_SIZE(CUTS); i++) {
		int r;

		make_image();
		r = in_child(CUTS[i]);
		if (r == 77) {
			print_message("skipped: no fault points are compiled in\n");
			skip();
		}
		assert_int_equal(r, 0);
		assert_int_equal(teardown(NULL), 0);
	}
	make_image();
	assert_int_equal(in_child(cut_fourth), 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_figures, teardown),
		cmocka_unit_test_teardown(test_another_file_in_the_images_place, teardown),
		cmocka_unit_test_teardown(test_no_pool, teardown),
		cmocka_unit_test_teardown(test_grow_in_full, teardown),
		cmocka_unit_test_teardown(test_grow_sparse_and_trim, teardown),
		cmocka_unit_test_teardown(test_grow_device, teardown),
		cmocka_unit_test_teardown(test_too_large, teardown),
		cmocka_unit_test_teardown(test_cut_off, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
