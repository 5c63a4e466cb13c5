#include "tree_fixture.h"

#include <linux/falloc.h>

#include "change/change.h"
#include "change/pool_space.h"
#include "sys/blkprobe.h"
#include "sys/loop.h"

#define IMAGE "/var/lib/docker-xfs.img"
#define UUID  "6f3d8c1e-1111-4222-8333-444455556666"
#define OTHER "6f3d8c1e-1111-4222-8333-444455557777"
#define MIB   ((uint64_t)1 << 20)

static struct host host;

static const char *real(const char *path)
{
	return in(host.root, path);
}

/* ---- a change ---- */

struct job {
	const struct host *host;
	const char *target;
	bool device;
	uint64_t size, reserve;
	const char *allocate;
	const char *uuid;
	bool finished; /* undo: apply() is known to have ended */
	int expected;  /* undo: its outcome, -1: any */
};

static struct job image_job(void)
{
	return (struct job){
		.host = &host,
		.target = IMAGE,
		.size = 320 * MIB,
		.allocate = "sparse",
		.uuid = UUID,
		.finished = true,
		.expected = -1,
	};
}

static json_t *want_of(const struct job *job)
{
	return json_pack("{s:b, s:I, s:I, s:s, s:s}", "device", job->device, "size",
			 (json_int_t)job->size, "reserve", (json_int_t)job->reserve, "allocate",
			 job->allocate, "uuid", job->uuid);
}

static struct change change_of(const struct job *job)
{
	return (struct change){
		.kind = &change_pool,
		.target = strdup(job->target),
		.want = want_of(job),
	};
}

static int holds(const struct job *job, struct error *err)
{
	_cleanup_(change_release) struct change change = change_of(job);
	struct change_context ctx = { .host = job->host };

	return change.kind->holds(&ctx, &change, err);
}

static int child_apply(void *userdata, struct error *err)
{
	const struct job *job = userdata;
	_cleanup_(change_release) struct change change = change_of(job);
	struct change_context ctx = { .host = job->host };
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 0);
	_cleanup_json_ json_t *after = NULL;

	return change.kind->apply(&ctx, &change, before, &after, err);
}

static int child_undo(void *userdata, struct error *err)
{
	const struct job *job = userdata;
	struct change_context ctx = { .host = job->host };
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	_cleanup_json_ json_t *want = want_of(job);
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 0);
	_cleanup_json_ json_t *after = job->finished ? json_object() : NULL;
	const struct change_record record = {
		.target = job->target,
		.want = want,
		.before = before,
		.after = after,
	};
	enum undo_outcome outcome;
	int r = change_pool.undo(&ctx, &record, &outcome, &why, err);

	if (r < 0 || job->expected < 0 || (int)outcome == job->expected)
		return r;
	return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
}

static struct blkprobe probe(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct blkprobe found;
	struct error err = ERROR_INIT;

	assert_ok(fd);
	if (blkprobe_fd(fd, &found, &err) < 0)
		fail_msg("%s", err.message);
	return found;
}

static void reset(void)
{
	wipe(real(IMAGE));
	wipe(real(IMAGE ".berth-new"));
}

static void zero(const char *path, off_t from, off_t len)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_ok(fd);
	assert_ok(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, from, len));
}

static void need_mkfs(void)
{
	if (access("/sbin/mkfs.xfs", X_OK) < 0) {
		print_message("skipped: no mkfs.xfs here\n");
		skip();
	}
}

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
	assert_int_equal(pool_space(&recorded, "/usr/x/y", &fs, &err), 0);
	assert_int_equal(fs.total, 1000);
	assert_int_equal(pool_space(&recorded, "/var/bad/x", &fs, &err), -EINVAL);
	assert_int_equal(pool_space(&host, IMAGE, &fs, &err), 0); /* none: the real one */
	assert_true(fs.total > 2000);
}

/* ---- image ---- */

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

/* ---- with loop devices ---- */

static struct loop_device loop;
static struct host machine;

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

static int group_setup(void **state)
{
	static const char *const PROGRAMS[] = { "/sbin/mkfs.xfs", NULL };
	static bool may_mount;
	struct error err = ERROR_INIT;

	may_mount = own_mounts();
	*state = &may_mount;
	host_build(&host, access("/sbin/mkfs.xfs", X_OK) == 0 ? PROGRAMS : NULL);
	make_dirs(real("/var/lib"));
	return host_open_root(NULL, &machine, &err);
}

static int group_teardown(void **state)
{
	(void)state;
	wipe(host.root);
	host_release(&host);
	host_release(&machine);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_choose),
		cmocka_unit_test(test_recorded_space),
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_made_as_promised),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_refuse_lost_start),
		cmocka_unit_test(test_refuse_others),
		cmocka_unit_test(test_refuse_no_room),
		cmocka_unit_test(test_refuse_tmpfs),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_bad_mkfs),
		cmocka_unit_test(test_undo_only_ours),
		cmocka_unit_test_teardown(test_undo_leaves_attached, detach),
		cmocka_unit_test_teardown(test_device, detach),
		cmocka_unit_test_teardown(test_device_cut_everywhere, detach),
		cmocka_unit_test_teardown(test_device_half_made, detach),
		cmocka_unit_test_teardown(test_device_refusals, detach),
		cmocka_unit_test_teardown(test_device_in_use, detach),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
