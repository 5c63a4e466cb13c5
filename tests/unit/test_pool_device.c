/* A device as the pool, played by a loop device. */
#include "pool_fixture.h"

#include "sys/loop.h"

static struct loop_device loop;

/* A loop device of `size` bytes to play a disk. */
static void attach(uint64_t size)
{
	const char *disk = real("/disk");
	int fd = open(disk, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct error err = ERROR_INIT;

	assert_ok(fd);
	assert_ok(ftruncate(fd, (off_t)size));
	if (geteuid() != 0 || loop_attach(fd, 4096, &loop, &err) < 0) {
		print_message("skipped: no loop device for us here\n");
		close(fd);
		skip();
	}
	close(fd);
}

static int detach(void **state)
{
	(void)state;
	if (loop.device[0])
		(void)loop_detach(loop.device, NULL);
	loop = (struct loop_device){ 0 };
	return 0;
}

static struct job device_job(void)
{
	struct job job = image_job();

	job.host = &machine;
	job.target = loop.device;
	job.device = true;
	return job;
}

static void test_undo_leaves_attached(void **state)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;
	int fd;

	(void)state;
	need_mkfs();
	attach(MIB); /* may we? */
	(void)detach(NULL);
	reset();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	fd = open(real(IMAGE), O_RDWR | O_CLOEXEC);
	assert_ok(fd);
	assert_int_equal(loop_attach(fd, 4096, &loop, &err), 0);
	close(fd);
	job.expected = UNDO_LEFT;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	assert_true(exists(real(IMAGE)));
	(void)detach(NULL);
	job.expected = UNDO_DONE;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
}

static void test_device(void **state)
{
	struct error err = ERROR_INIT;
	struct job job;

	(void)state;
	need_mkfs();
	attach(320 * MIB);
	job = device_job();
	assert_int_equal(holds(&job, &err), 0);
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	assert_int_equal(holds(&job, &err), 1);
	assert_string_equal(probe(loop.device).uuid, UUID);
	assert_int_equal(run_child(child_apply, &job, 0), 0); /* whole: not made again */
	job.expected = UNDO_LEFT;
	job.uuid = OTHER;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	job.expected = UNDO_DONE;
	job.uuid = UUID;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	assert_true(probe(loop.device).blank);
	job.expected = UNDO_NOTHING;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
}

static void test_device_cut_everywhere(void **state)
{
	unsigned cuts = 0;
	struct job job;

	(void)state;
	need_mkfs();
	attach(320 * MIB);
	job = device_job();
	for (unsigned n = 1;; n++) {
		int r = run_child(child_apply, &job, n);

		if (r == 137) {
			assert_int_equal(run_child(child_apply, &job, 0), 0);
			cuts++;
		}
		assert_string_equal(probe(loop.device).uuid, UUID);
		assert_int_equal(run_child(child_undo, &job, 0), 0);
		assert_true(probe(loop.device).blank);
		if (r == 0)
			break;
		assert_int_equal(r, 137);
	}
	assert_true(cuts >= 2);
}

/* The power went in the middle of mkfs: headers, but no whole superblock. */
static void test_device_half_made(void **state)
{
	struct error err = ERROR_INIT;
	struct job job;

	(void)state;
	need_mkfs();
	attach(320 * MIB);
	job = device_job();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	put_byte(loop.device, 126, 1); /* sb_inprogress */
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	assert_string_equal(probe(loop.device).uuid, UUID);
	put_byte(loop.device, 0, 'Y');
	assert_true(holds(&job, &err) < 0);
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	assert_string_equal(probe(loop.device).uuid, UUID);
	/* Under another plan's UUID it is not ours. */
	put_byte(loop.device, 0, 'Y');
	job.uuid = OTHER;
	assert_int_equal(run_child(child_apply, &job, 0), 1);
	job.expected = UNDO_LEFT;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
}

static void test_device_refusals(void **state)
{
	struct error err = ERROR_INIT;
	struct job job;

	(void)state;
	need_mkfs();
	attach(320 * MIB);
	job = device_job();
	put_byte(loop.device, 5000, 1);
	assert_int_equal(holds(&job, &err), -EEXIST);
	assert_non_null(strstr(err.message, "not blank"));
	assert_int_equal(run_child(child_apply, &job, 0), 1);
	put_byte(loop.device, 5000, 0);
	put_byte(loop.device, (off_t)(320 * MIB) - 1, 1);
	assert_int_equal(holds(&job, &err), -EEXIST);
	put_byte(loop.device, (off_t)(320 * MIB) - 1, 0);
	assert_int_equal(holds(&job, &err), 0);
	put_byte(loop.device, 510, 0x55); /* a DOS partition table with one entry */
	put_byte(loop.device, 511, (char)0xaa);
	put_byte(loop.device, 446 + 4, (char)0x83);
	put_byte(loop.device, 446 + 8, 64);
	put_byte(loop.device, 446 + 12, 64);
	assert_int_equal(holds(&job, &err), -EEXIST);
	assert_non_null(strstr(err.message, "partition table (dos)"));
	assert_int_equal(run_child(child_apply, &job, 0), 1);
	job.device = false;
	assert_int_equal(holds(&job, &err), -EINVAL);
	assert_non_null(strstr(err.message, "is a block device"));
	job = device_job();
	job.target = "/dev/berth-no-such";
	assert_int_equal(holds(&job, &err), -ENOENT);
	job.target = "/dev/null";
	assert_int_equal(holds(&job, &err), -ENOTBLK);
	(void)detach(NULL);
	attach(200 * MIB);
	job = device_job();
	assert_int_equal(holds(&job, &err), -EINVAL);
	assert_non_null(strstr(err.message, "needs 300M"));
}

static void test_device_in_use(void **state)
{
	struct error err = ERROR_INIT;
	struct job job;
	int fd;

	need_mkfs();
	attach(320 * MIB);
	job = device_job();
	fd = open(loop.device, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_ok(fd);
	assert_int_equal(holds(&job, &err), -EBUSY);
	close(fd);
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	make_dirs(real("/mnt"));
	if (!*(bool *)*state || mount_device(loop.device, real("/mnt"), "xfs", 0, NULL, NULL) < 0) {
		print_message("not tried, XFS cannot be mounted here: undo of a mounted one\n");
		return;
	}
	assert_int_equal(holds(&job, &err), 1);
	assert_int_equal(run_child(child_apply, &job, 0), 0); /* mounted: surely whole */
	job.expected = UNDO_LEFT;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	must_unmount(real("/mnt"));
	assert_string_equal(probe(loop.device).uuid, UUID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_undo_leaves_attached, detach),
		cmocka_unit_test_teardown(test_device, detach),
		cmocka_unit_test_teardown(test_device_cut_everywhere, detach),
		cmocka_unit_test_teardown(test_device_half_made, detach),
		cmocka_unit_test_teardown(test_device_refusals, detach),
		cmocka_unit_test_teardown(test_device_in_use, detach),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
