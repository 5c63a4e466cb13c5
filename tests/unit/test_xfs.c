#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sys/fsinfo.h"
#include "sys/loop.h"
#include "sys/mount.h"
#include "sys/spawn.h"
#include "sys/trial.h"
#include "sys/xfs.h"

#define MIB  ((uint64_t)1 << 20)
#define MKFS "/usr/sbin/mkfs.xfs"

/* A real XFS: image, loop device, and a mount in a child's own namespace. */
struct pool {
	int image;
	struct loop_device loop;
};

static struct pool make_pool(uint64_t size, const char *sector)
{
	const char *argv[] = { "mkfs.xfs", "-q", "-f", "-s", sector, NULL, NULL };
	const struct spawn_options options = { .timeout_ms = 60000 };
	struct pool pool = { .image = -EBADF };
	struct error err = ERROR_INIT;
	char path[] = "/var/tmp/test_xfs.XXXXXX";
	char reason[256];

	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0 ||
	    access(MKFS, X_OK) < 0 || mount_try_fs("xfs", reason) != 1) {
		print_message(
			"skipped: root, loop devices, mkfs.xfs and a kernel with XFS are needed\n");
		skip();
	}
	pool.image = mkostemp(path, O_CLOEXEC);
	assert_true(pool.image >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(pool.image, (off_t)size), 0);
	if (loop_attach(pool.image, 0, &pool.loop, &err) < 0)
		fail_msg("%s", err.message);
	argv[5] = pool.loop.device;
	if (spawn_check(MKFS, argv, &options, NULL, &err) < 0) {
		(void)loop_detach(pool.loop.device, NULL);
		fail_msg("%s", err.message);
	}
	return pool;
}

static int run_on(struct pool *pool, int (*fn)(struct pool *pool, int dir))
{
	int status, dir;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (trial_own_mounts() < 0)
			_exit(77);
		if (mount_device(pool->loop.device, "/mnt", "xfs", 0, NULL, &err) < 0) {
			print_message("%s\n", err.message);
			_exit(78);
		}
		dir = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_exit(dir < 0 ? 79 : fn(pool, dir));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(loop_detach(pool->loop.device, NULL), 0);
	pool->image = fd_close(pool->image);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int geometry(struct pool *pool, int dir)
{
	struct xfs_geometry geometry;
	struct fsinfo info;

	if (xfs_get_geometry(dir, &geometry, NULL) < 0)
		return 1;
	if (geometry.block_size != 4096 || geometry.sector_size != pool->loop.block_size)
		return 2;
	if (geometry.data_bytes != 320 * MIB)
		return 3;
	if (!geometry.ftype || !geometry.reflink)
		return 4;
	return fsinfo_fd(dir, &info, NULL) == 0 && strcmp(info.type, "xfs") == 0 ? 0 : 5;
}

static void test_geometry(void **state)
{
	struct pool pool = make_pool(320 * MIB, "size=512");

	assert_int_equal(run_on(&pool, geometry), 0);
}

static int grow(struct pool *pool, int dir)
{
	struct xfs_geometry geometry;
	struct error err = ERROR_INIT;

	if (xfs_grow(dir, 320 * MIB, &err) < 0)
		return 1; /* as it is: nothing to do */
	if (xfs_grow(dir, 319 * MIB, &err) != -EINVAL || !strstr(err.message, "grow XFS"))
		return 2;
	/* Its device has not grown yet. */
	if (xfs_grow(dir, 640 * MIB, &err) != -EIO || !strstr(err.message, "device"))
		return 3;
	if (ftruncate(pool->image, (off_t)(640 * MIB)) < 0 ||
	    loop_refresh_size(pool->loop.device, NULL) < 0)
		return 4;
	if (xfs_grow(dir, 640 * MIB + 4095, &err) < 0)
		return 5;
	if (xfs_get_geometry(dir, &geometry, NULL) < 0 || geometry.data_bytes != 640 * MIB)
		return 6;
	return 0;
}

static void test_grow(void **state)
{
	struct pool pool = make_pool(320 * MIB, "size=512");

	assert_int_equal(run_on(&pool, grow), 0);
}

static void test_not_xfs(void **state)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct xfs_geometry geometry = { .block_size = 42 };
	struct error err = ERROR_INIT;

	assert_int_equal(xfs_get_geometry(proc, &geometry, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "not XFS"));
	assert_int_equal(xfs_grow(proc, MIB, &err), -EOPNOTSUPP);
	assert_int_equal(xfs_get_geometry(-EBADF, &geometry, &err), -EBADF);
	assert_int_equal(geometry.block_size, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_geometry),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_not_xfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
