#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "sys/loop.h"

#define MIB ((off_t)1 << 20)

static void need_loop(void)
{
	if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) < 0) {
		print_message("skipped: no loop devices for us here\n");
		skip();
	}
}

/* A file on the disk (not on a tmpfs, which knows no direct I/O before 6.6), already unlinked. */
static int make_image(off_t size)
{
	char path[] = "/var/tmp/test_loop.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

/* Detached when the test ends, also when it fails half-way. */
static char attached[8][LOOP_PATH_MAX];

static struct loop_device attach(int fd, uint32_t block_size)
{
	struct loop_device loop = { 0 };
	struct error err = ERROR_INIT;

	if (loop_attach(fd, block_size, &loop, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		if (!attached[i][0]) {
			memcpy(attached[i], loop.device, LOOP_PATH_MAX);
			break;
		}
	}
	return loop;
}

static void detach(const char *device)
{
	struct error err = ERROR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		if (strcmp(attached[i], device) == 0)
			attached[i][0] = '\0';
	}
	if (loop_detach(device, &err) < 0)
		fail_msg("%s", err.message);
}

static int teardown(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(attached); i++) {
		if (attached[i][0])
			(void)loop_detach(attached[i], NULL);
		attached[i][0] = '\0';
	}
	return 0;
}

static void test_attach_and_detach(void **state)
{
	_cleanup_fd_ int image = -EBADF, device = -EBADF;
	struct loop_device loop, found;
	struct error err = ERROR_INIT;
	char text[512] = "written through the device";

	need_loop();
	image = make_image(8 * MIB);
	loop = attach(image, 0);
	assert_int_equal(strncmp(loop.device, "/dev/loop", 9), 0);
	assert_false(loop.read_only);
	assert_true(loop.block_size == 512 || loop.block_size == 4096);
	assert_int_equal(loop.size, 8 * MIB);

	device = open(loop.device, O_RDWR | O_CLOEXEC);
	assert_true(device >= 0);
	assert_int_equal(pwrite(device, text, sizeof(text), 4096), sizeof(text));
	assert_int_equal(fsync(device), 0);
	memset(text, 0, sizeof(text));
	assert_int_equal(pread(image, text, sizeof(text), 4096), sizeof(text));
	assert_string_equal(text, "written through the device");
	device = fd_close(device);

	detach(loop.device);
	assert_int_equal(loop_inspect(loop.device, &found, &err), -ENXIO);
	assert_non_null(strstr(err.message, loop.device));
	assert_int_equal(loop_find(image, &found, &err), -ENOENT);
	assert_int_equal(loop_detach(loop.device, &err), -ENXIO);
}

static void test_find(void **state)
{
	_cleanup_fd_ int first = -EBADF, second = -EBADF, third = -EBADF;
	struct loop_device a, b, found;
	struct error err = ERROR_INIT;

	need_loop();
	first = make_image(4 * MIB);
	second = make_image(4 * MIB);
	third = make_image(4 * MIB);
	a = attach(first, 0);
	b = attach(second, 0);
	assert_string_not_equal(a.device, b.device);
	assert_int_equal(loop_find(first, &found, &err), 0);
	assert_string_equal(found.device, a.device);
	assert_int_equal(loop_find(second, &found, &err), 0);
	assert_string_equal(found.device, b.device);
	assert_int_equal(loop_find(third, &found, &err), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_int_equal(loop_inspect(a.device, &found, &err), 0);
	assert_int_equal(found.size, a.size);
	assert_int_equal(found.direct_io, a.direct_io);
	detach(a.device);
	detach(b.device);
}

/* Part of the image is not the image. */
static void test_find_passes_over_partial_ones(void **state)
{
	_cleanup_fd_ int image = -EBADF, device = -EBADF;
	struct loop_info64 status;
	struct loop_device loop, found;

	need_loop();
	image = make_image(4 * MIB);
	loop = attach(image, 0);
	device = open(loop.device, O_RDWR | O_CLOEXEC);
	assert_true(device >= 0);
	assert_int_equal(ioctl(device, LOOP_GET_STATUS64, &status), 0);
	status.lo_offset = (uint64_t)MIB;
	assert_int_equal(ioctl(device, LOOP_SET_STATUS64, &status), 0);
	assert_int_equal(loop_find(image, &found, NULL), -ENOENT);
	device = fd_close(device);
	detach(loop.device);
}

static void test_read_only(void **state)
{
	_cleanup_fd_ int image = -EBADF, reader = -EBADF;
	struct loop_device loop;
	char path[64];

	need_loop();
	image = make_image(4 * MIB);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	loop = attach(reader, 0);
	assert_true(loop.read_only);
	detach(loop.device);
}

static void test_block_size(void **state)
{
	static const uint32_t bad[] = { 1, 256, 513, 3072, 1 << 20, 0x80000000 };
	_cleanup_fd_ int image = -EBADF;
	struct loop_device loop;
	struct error err = ERROR_INIT;

	need_loop();
	image = make_image(4 * MIB);
	loop = attach(image, 4096);
	assert_int_equal(loop.block_size, 4096);
	detach(loop.device);
	loop = attach(image, 512);
	assert_int_equal(loop.block_size, 512);
	detach(loop.device);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(loop_attach(image, bad[i], &loop, &err), -EINVAL);
		assert_non_null(strstr(err.message, "blocks"));
	}
	assert_int_equal(loop_find(image, &loop, NULL), -ENOENT);
}

static void test_grow(void **state)
{
	_cleanup_fd_ int image = -EBADF;
	struct loop_device loop;

	need_loop();
	image = make_image(4 * MIB);
	loop = attach(image, 0);
	assert_int_equal(ftruncate(image, 16 * MIB), 0);
	assert_int_equal(loop_inspect(loop.device, &loop, NULL), 0);
	assert_int_equal(loop.size, 4 * MIB);
	assert_int_equal(loop_refresh_size(loop.device, NULL), 0);
	assert_int_equal(loop_inspect(loop.device, &loop, NULL), 0);
	assert_int_equal(loop.size, 16 * MIB);
	detach(loop.device);
}

static void test_backing_file(void **state)
{
	_cleanup_fd_ int image = -EBADF;
	_cleanup_free_ char *path = NULL;
	struct loop_device loop;
	struct error err = ERROR_INIT;
	struct stat st;

	need_loop();
	image = make_image(4 * MIB);
	loop = attach(image, 0);
	assert_int_equal(stat(loop.device, &st), 0);
	if (loop_backing_file(major(st.st_rdev), minor(st.st_rdev), &path, &err) < 0)
		fail_msg("%s", err.message);
	/* It is unlinked: the kernel says so behind the name. */
	assert_non_null(strstr(path, "/var/tmp/test_loop."));
	assert_null(strchr(path, '\n'));
	detach(loop.device);
	free(TAKE_PTR(path));
	assert_int_equal(loop_backing_file(major(st.st_rdev), minor(st.st_rdev), &path, &err), -ENOENT);
	assert_int_equal(loop_backing_file(1, 3, &path, &err), -ENOENT);
	assert_non_null(strstr(err.message, "1:3"));
	assert_null(path);
}

static void test_direct_io(void **state)
{
	_cleanup_fd_ int image = -EBADF;
	struct loop_device loop;
	struct error err = ERROR_INIT;

	need_loop();
	image = make_image(4 * MIB);
	loop = attach(image, 0);
	if (!loop.direct_io) {
		detach(loop.device);
		print_message("skipped: /var/tmp knows no direct I/O\n");
		skip();
	}
	if (loop_set_direct_io(loop.device, false, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(loop_inspect(loop.device, &loop, NULL), 0);
	assert_false(loop.direct_io);
	if (loop_set_direct_io(loop.device, true, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(loop_inspect(loop.device, &loop, NULL), 0);
	assert_true(loop.direct_io);
	detach(loop.device);
}

static void test_not_an_image(void **state)
{
	_cleanup_fd_ int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct loop_device loop = { .size = 42 };
	struct error err = ERROR_INIT;

	assert_int_equal(loop_attach(dir, 0, &loop, &err), -EINVAL);
	assert_non_null(strstr(err.message, "regular file"));
	assert_int_equal(loop_attach(-EBADF, 0, &loop, &err), -EBADF);
	assert_int_equal(loop_find(-EBADF, &loop, &err), -EBADF);
	assert_int_equal(loop_inspect("/dev/null", &loop, &err), -ENOTTY);
	assert_int_equal(loop_inspect("/dev/no-such-loop", &loop, &err), -ENOENT);
	assert_int_equal(loop_detach("/dev/null", &err), -ENOTTY);
	assert_non_null(strstr(err.message, "'/dev/null'"));
	assert_int_equal(loop.size, 42);
}

/* Two at once, many times: everybody gets a device of their own. */
static int race(void)
{
	for (int i = 0; i < 20; i++) {
		char path[] = "/var/tmp/test_loop.XXXXXX";
		_cleanup_fd_ int image = mkostemp(path, O_CLOEXEC);
		struct loop_device loop, found;

		if (image < 0 || unlink(path) < 0 || ftruncate(image, MIB) < 0)
			return 1;
		if (loop_attach(image, 512, &loop, NULL) < 0)
			return 2;
		if (loop_find(image, &found, NULL) < 0 || strcmp(loop.device, found.device) != 0)
			return 3;
		if (loop_detach(loop.device, NULL) < 0)
			return 4;
	}
	return 0;
}

static void test_race(void **state)
{
	pid_t pids[2];
	int status;

	need_loop();
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(race());
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* From here on ioctl(fd, request) fails with EINVAL for this process, as an unknown one does. */
static bool deny_ioctl(unsigned request)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int on_an_old_kernel(int image)
{
	struct loop_device loop, found;

	if (!deny_ioctl(LOOP_CONFIGURE))
		return 77;
	if (loop_attach(image, 4096, &loop, NULL) < 0)
		return 1;
	if (loop_find(image, &found, NULL) < 0 || strcmp(found.device, loop.device) != 0)
		return 2;
	if (loop_detach(loop.device, NULL) < 0)
		return 3;
	if (loop.block_size != 4096 || loop.size != 4 * MIB || loop.read_only)
		return 4;
	if (loop_attach(image, 0, &found, NULL) < 0 || loop_detach(found.device, NULL) < 0)
		return 5;
	/* At least what was there with the bigger blocks. */
	return loop.direct_io && !found.direct_io ? 6 : 0;
}

static void test_without_loop_configure(void **state)
{
	_cleanup_fd_ int image = -EBADF;
	struct loop_device loop;
	int status;
	pid_t pid;

	need_loop();
	image = make_image(4 * MIB);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(on_an_old_kernel(image));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (loop_find(image, &loop, NULL) == 0)
		detach(loop.device);
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no seccomp filters here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_attach_and_detach, teardown),
		cmocka_unit_test_teardown(test_find, teardown),
		cmocka_unit_test_teardown(test_find_passes_over_partial_ones, teardown),
		cmocka_unit_test_teardown(test_read_only, teardown),
		cmocka_unit_test_teardown(test_block_size, teardown),
		cmocka_unit_test_teardown(test_grow, teardown),
		cmocka_unit_test_teardown(test_backing_file, teardown),
		cmocka_unit_test_teardown(test_direct_io, teardown),
		cmocka_unit_test_teardown(test_not_an_image, teardown),
		cmocka_unit_test_teardown(test_race, teardown),
		cmocka_unit_test_teardown(test_without_loop_configure, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
