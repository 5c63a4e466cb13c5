/* An image as the pool. */
#include "pool_fixture.h"

#include <linux/falloc.h>

#include "change/pool_space.h"

/* ---- room ---- */

static void test_space_choose(void **state)
{
	static const struct {
		const char *mode;
		uint64_t size, reserve; /* MiB */
		int expected;
		const char *says;
	} CASES[] = {
		{ "auto", 50000, 5000, 1, NULL },
		{ "auto", 60000, 5000, 0, NULL }, /* fits, but not the reserve */
		{ "full", 55000, 5000, 1, NULL },
		{ "full", 55001, 5000, -ENOSPC, "are free on the ext4 file system" },
		{ "sparse", 50000, 5000, 0, NULL },
		{ "sparse", 90000, 58976, 0, NULL },
		{ "sparse", 90000, 58977, -ENOSPC, "even a sparse image needs 1G" },
		{ "auto", 90000, 59999, -ENOSPC, "reserve" },
		{ "auto", 100001, 0, -ERANGE, "larger than the disk" },
		{ "sparse", 100001, 0, -ERANGE, "larger than the disk" },
		{ "full", 100001, 0, -ERANGE, "larger than the disk" },
		{ "auto", 299, 0, -EINVAL, "too small" },
		{ "auto", 300, 0, 1, NULL },
		{ "thin", 50000, 0, -EINVAL, "'thin'" },
		{ "full", 50000, UINT64_MAX / MIB, -ENOSPC, "reserve" },
	};
	const struct fsinfo disk = {
		.total = 100000 * MIB,
		.available = 60000 * MIB,
		.type = "ext4",
	};
	const struct fsinfo memory = {
		.total = 100000 * MIB,
		.available = 60000 * MIB,
		.type = "tmpfs",
		.volatile_memory = true,
	};
	struct error err = ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		int r = pool_space_choose("/p", CASES[i].mode, CASES[i].size * MIB,
					  CASES[i].reserve * MIB, &disk, &err);

		if (r != CASES[i].expected || (r < 0 && !strstr(err.message, CASES[i].says)))
			fail_msg("case %zu: %d %s", i, r, err.message);
	}
	assert_int_equal(pool_space_choose("/p", "auto", 400 * MIB, 0, &memory, &err),
			 -EMEDIUMTYPE);
	assert_non_null(strstr(err.message, "gone after a reboot"));
}

static void test_recorded_space(void **state)
{
	struct host recorded = host;
	struct fsinfo fs;
	struct error err = ERROR_INIT;
	char facts[] = "filesystem:/=ext4 1000 500\nfilesystem:/var/lib=xfs 2000 700\n"
		       "filesystem:/var/bad=xfs 2000\n";

	(void)state;
	recorded.facts = facts;
	assert_int_equal(pool_space(&recorded, IMAGE, &fs, &err), 0);
	assert_string_equal(fs.type, "xfs");
	assert_int_equal(fs.available, 700);
	assert_int_equal(pool_space(&recorded, "/y", &fs, &err), 0);
	assert_int_equal(fs.total, 1000);
	assert_int_equal(pool_space(&recorded, "/usr/x/y", &fs, &err), -ENOENT);
	assert_ok(mkdir(real("/var/bad"), 0755)); /* not by the host: fault points are counted */
	assert_int_equal(pool_space(&recorded, "/var/bad/x", &fs, &err), -EINVAL);
	assert_int_equal(pool_space(&host, IMAGE, &fs, &err), 0); /* none: the real one */
	assert_true(fs.total > 2000);
}

/* ---- image ---- */

static void zero(const char *path, off_t from, off_t len)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_ok(fd);
	assert_ok(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, from, len));
}

static void test_make(void **state)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;
	struct blkprobe found;
	struct stat st;

	(void)state;
	need_mkfs();
	reset();
	assert_int_equal(holds(&job, &err), 0);
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	assert_int_equal(holds(&job, &err), 1);
	found = probe(real(IMAGE));
	assert_string_equal(found.type, "xfs");
	assert_string_equal(found.uuid, UUID);
	assert_int_equal(found.size, 320 * MIB);
	assert_ok(stat(real(IMAGE), &st));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true((uint64_t)st.st_blocks * 512 < 200 * MIB);
	reset();
	job.allocate = "full";
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	assert_ok(stat(real(IMAGE), &st));
	assert_true((uint64_t)st.st_blocks * 512 >= 320 * MIB);
}

static void test_made_as_promised(void **state)
{
	struct job job = image_job();
	unsigned char sb[264];
	int fd;

	(void)state;
	need_mkfs();
	reset();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	fd = open(real(IMAGE), O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, sb, sizeof(sb)), sizeof(sb));
	close(fd);
	assert_int_equal(sb[102] << 8 | sb[103], 4096); /* sb_sectsize */
	assert_int_equal(sb[101] & 0xf, 5);		/* version: checksums */
	assert_int_equal(sb[215] & 4, 4);		/* sb_features_ro_compat: reflink */
	assert_int_equal(sb[219] & 1, 1);		/* sb_features_incompat: ftype */
}

static void test_describe(void **state)
{
	struct job job = image_job();
	_cleanup_(change_release) struct change change = change_of(&job);
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
	struct host recorded = host;
	struct change_context ctx = { .host = &recorded };
	struct error err = ERROR_INIT;
	char facts[] = "filesystem:/=ext4 53687091200 4403000000\n";

	(void)state;
	recorded.facts = facts;
	reset();
	assert_int_equal(change.kind->describe(&ctx, &change, &out, &err), 0);
	assert_string_equal(strbuf_str(&out),
			    "+ XFS, 320M, sparse (4.1G free on ext4), project quotas, 4096-byte "
			    "sectors, uuid " UUID "\n");
}

static void assert_refused(const char *says, int code)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;
	int r = holds(&job, &err);

	if (r != -code || !strstr(err.message, says))
		fail_msg("%d: %s", r, err.message);
	assert_int_equal(run_child(child_apply, &job, 0), 1);
}

static void test_refuse_lost_start(void **state)
{
	struct job job = image_job();

	(void)state;
	need_mkfs();
	reset();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	zero(real(IMAGE), 0, MIB);
	run_program("/bin/cp", "--sparse=always", real(IMAGE), real("/copy"));
	assert_refused("xfs_repair", EEXIST);
	run_program("/usr/bin/cmp", real(IMAGE), real("/copy"), NULL); /* not a byte was touched */
	wipe(real("/copy"));
}

static void test_refuse_others(void **state)
{
	(void)state;
	reset();
	put_file(real(IMAGE), 0, 0600);
	assert_refused("no file system is recognised", EEXIST);
	put_file(real(IMAGE), 1 << 20, 0600);
	assert_refused("no file system is recognised", EEXIST);
	reset();
	assert_ok(mkdir(real(IMAGE), 0755));
	assert_refused("not a regular file", EINVAL);
	reset();
	assert_ok(symlink("/mnt/gone/pool.img", real(IMAGE)));
	assert_refused("symbolic link to nothing", ENOENT);
	reset();
	if (access("/sbin/mke2fs", X_OK) < 0) {
		print_message("not tried, no mke2fs here: an ext4 in the image\n");
		return;
	}
	put_file(real(IMAGE), 0, 0600);
	assert_ok(truncate(real(IMAGE), 16 << 20));
	run_program("/sbin/mke2fs", "-q", "-text4", real(IMAGE));
	assert_refused("holds ext4, not XFS", EEXIST);
	assert_string_equal(probe(real(IMAGE)).type, "ext4");
}

static void test_refuse_no_room(void **state)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;

	(void)state;
	reset();
	job.size = (uint64_t)1 << 60;
	assert_int_equal(holds(&job, &err), -ERANGE);
	assert_int_equal(run_child(child_apply, &job, 0), 1);
	job = image_job();
	job.reserve = (uint64_t)1 << 60;
	assert_int_equal(holds(&job, &err), -ENOSPC);
	job = image_job();
	job.target = "/mnt/not mounted/pool.img";
	assert_int_equal(holds(&job, &err), -ENOENT);
	assert_int_equal(run_child(child_apply, &job, 0), 1);
	assert_false(exists(real(IMAGE)));
	assert_false(exists(real(IMAGE ".berth-new")));
}

static void test_refuse_tmpfs(void **state)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;

	(void)state;
	if (!*(bool *)*state) {
		print_message("skipped: may not mount here\n");
		skip();
	}
	make_dirs(real("/ram"));
	must_mount("none", real("/ram"), "tmpfs", NULL);
	job.target = "/ram/pool.img";
	assert_int_equal(holds(&job, &err), -EMEDIUMTYPE);
	must_unmount(real("/ram"));
}

static void test_cut_everywhere(void **state)
{
	struct job job = image_job();
	struct error err = ERROR_INIT;
	unsigned cuts = 0;

	(void)state;
	need_mkfs();
	for (unsigned n = 1;; n++) {
		int r;

		reset();
		r = run_child(child_apply, &job, n);
		if (r == 0)
			break;
		assert_int_equal(r, 137);
		if (exists(real(IMAGE))) /* never there without a file system */
			assert_string_equal(probe(real(IMAGE)).uuid, UUID);
		assert_true(holds(&job, &err) >= 0);
		assert_int_equal(run_child(child_apply, &job, 0), 0);
		assert_int_equal(holds(&job, &err), 1);
		assert_string_equal(probe(real(IMAGE)).uuid, UUID);
		assert_false(exists(real(IMAGE ".berth-new")));
		cuts++;
		/* The same cut, and undone instead. */
		reset();
		assert_int_equal(run_child(child_apply, &job, n), 137);
		job.finished = false;
		assert_int_equal(run_child(child_undo, &job, 0), 0);
		job.finished = true;
		assert_false(exists(real(IMAGE)));
		assert_false(exists(real(IMAGE ".berth-new")));
	}
	print_message("%u points\n", cuts);
	assert_true(cuts >= 5);
}

static void test_bad_mkfs(void **state)
{
	static const char *const SCRIPTS[] = { "#!/bin/sh\nexit 0\n",
					       "#!/bin/sh\necho 'it broke' >&2; exit 1\n" };
	const char *mkfs = real("/usr/local/sbin/mkfs.xfs");
	struct job job = image_job();

	(void)state;
	make_dirs(real("/usr/local/sbin"));
	for (size_t i = 0; i < ARRAY_SIZE(SCRIPTS); i++) {
		int fd = open(mkfs, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

		assert_ok(fd);
		assert_int_equal(file_write_all(fd, SCRIPTS[i], strlen(SCRIPTS[i])), 0);
		close(fd);
		reset();
		assert_int_equal(run_child(child_apply, &job, 0), 1);
		assert_false(exists(real(IMAGE)));
		assert_false(exists(real(IMAGE ".berth-new")));
	}
	wipe(mkfs);
}

static void test_undo_only_ours(void **state)
{
	struct job job = image_job();

	(void)state;
	need_mkfs();
	reset();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	job.uuid = OTHER;
	job.expected = UNDO_LEFT;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	job.uuid = UUID;
	zero(real(IMAGE), 0, MIB);
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	assert_true(exists(real(IMAGE)));
	reset();
	assert_int_equal(run_child(child_apply, &job, 0), 0);
	job.expected = UNDO_DONE;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
	assert_false(exists(real(IMAGE)));
	job.expected = UNDO_NOTHING;
	assert_int_equal(run_child(child_undo, &job, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_choose),  cmocka_unit_test(test_recorded_space),
		cmocka_unit_test(test_make),	      cmocka_unit_test(test_made_as_promised),
		cmocka_unit_test(test_describe),      cmocka_unit_test(test_refuse_lost_start),
		cmocka_unit_test(test_refuse_others), cmocka_unit_test(test_refuse_no_room),
		cmocka_unit_test(test_refuse_tmpfs),  cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_bad_mkfs),      cmocka_unit_test(test_undo_only_ours),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
