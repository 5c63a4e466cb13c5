#include "tree_fixture.h"

#include "change/move.h"
#include "change/tree.h"
#include "sys/loop.h"

#define T "/var/lib/docker"
#define D "/var/lib/berth/pool/docker"

static struct host host;
static bool may_mount;

static const char *real(const char *path)
{
	return in(host.root, path);
}

/* ---- a world: T full of everything, a pool beside it, and a twin of T to compare with ---- */

static void reset(void)
{
	static const char *const GONE[] = {
		T, T ".berth-old",     T ".berth-partial", T ".berth-aside", T ".berth-aside-2",
		D, D ".berth-partial", D ".berth-back",	   D ".berth-new",
	};

	for (size_t i = 0; i < ARRAY_SIZE(GONE); i++)
		wipe(real(GONE[i]));
	fixture_build(real(T));
}

static struct change make_change(json_int_t capacity)
{
	return (struct change){
		.kind = &change_move,
		.target = strdup(T),
		.want = json_pack("{s:s, s:I}", "to", D, "capacity", capacity),
	};
}

static int child_apply(void *userdata, struct error *err)
{
	_cleanup_(change_release) struct change change = make_change(0);
	struct change_context ctx = { .host = &host };
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	int r = userdata ? 0 : change.kind->capture(&ctx, &change, &before, err);

	return r < 0 ? r : change.kind->apply(&ctx, &change, before, &after, err);
}

struct undoing {
	bool finished; /* the journal knows that apply() was done */
	bool delete_data;
	enum undo_outcome expected;
};

static int child_undo(void *userdata, struct error *err)
{
	const struct undoing *undoing = userdata;
	_cleanup_(change_release) struct change change = make_change(0);
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	struct change_context ctx = { .host = &host, .delete_data = undoing->delete_data };
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 1);
	_cleanup_json_ json_t *after = json_pack("{s:s}", "old", T ".berth-old");
	const struct change_record record = {
		.target = T,
		.want = change.want,
		.before = before,
		.after = undoing->finished ? after : NULL,
	};
	enum undo_outcome outcome;
	int r = change.kind->undo(&ctx, &record, &outcome, &why, err);

	if (r == 0 && outcome != undoing->expected && (int)undoing->expected >= 0)
		return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
	return r;
}

static int holds(struct error *err)
{
	_cleanup_(change_release) struct change change = make_change(0);
	struct change_context ctx = { .host = &host };

	return change.kind->holds(&ctx, &change, err);
}

static void assert_moved(void)
{
	struct error err = ERROR_INIT;
	struct stat now, then;

	assert_same(real("/twin"), real(D));
	assert_same(real("/twin"), real(T ".berth-old"));
	assert_int_equal(tree_content(&host, T, &err), TREE_EMPTY);
	assert_ok(lstat(real(T), &now));
	assert_ok(lstat(real("/twin"), &then));
	assert_int_equal(now.st_mode, then.st_mode);
	assert_int_equal(now.st_mtim.tv_nsec, then.st_mtim.tv_nsec);
	assert_false(exists(real(D ".berth-partial")));
	assert_int_equal(holds(&err), 1);
}

static void assert_back(const char *twin)
{
	assert_same(real(twin), real(T));
	assert_false(exists(real(T ".berth-old")));
	assert_false(exists(real(T ".berth-partial")));
	assert_false(exists(real(D ".berth-partial")));
	assert_false(exists(real(D ".berth-back")));
	assert_int_not_equal(tree_content(&host, D, NULL), TREE_FULL);
}

/* ---- there ---- */

static void test_move(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	reset();
	assert_int_equal(holds(&err), 0);
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	assert_moved();
	assert_int_equal(run_child(child_apply, NULL, 0), 0); /* once more changes nothing */
	assert_moved();
}

/* A directory that the pool's step made before, with a mode of its own. */
static void test_move_onto_empty(void **state)
{
	(void)state;
	reset();
	assert_ok(mkdir(real(D), 0711));
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	assert_moved();
}

static void test_nothing_to_move(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	reset();
	wipe(real(T));
	assert_int_equal(holds(&err), 1);
	assert_ok(mkdir(real(T), 0700));
	assert_int_equal(holds(&err), 1);
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	assert_false(exists(real(T ".berth-old")));
}

/* Cut at every point: the data is whole somewhere, and the next apply() finishes. */
static void test_move_cut_everywhere(void **state)
{
	unsigned cuts = 0;

	(void)state;
	for (unsigned n = 1;; n++) {
		int r;

		reset();
		r = run_child(child_apply, NULL, n);
		if (r == 0)
			break;
		assert_int_equal(r, 137);
		assert_same(real("/twin"), real(exists(real(T ".berth-old")) ? T ".berth-old" : T));
		assert_int_equal(run_child(child_apply, &cuts, 0), 0);
		assert_moved();
		cuts++;
	}
	print_message("%u points\n", cuts);
	assert_true(cuts >= 8);
}

/* Cut at every point, and the user wants none of it any more. */
static void test_move_cut_then_undone(void **state)
{
	struct undoing undoing = { .expected = (enum undo_outcome) - 1 };

	(void)state;
	for (unsigned n = 1;; n++) {
		int r;

		reset();
		r = run_child(child_apply, NULL, n);
		if (r == 0)
			break;
		assert_int_equal(run_child(child_undo, &undoing, 0), 0);
		assert_back("/twin");
	}
}

static void make_skeleton(void)
{
	make_dirs(real(T "/containers"));
	make_dirs(real(T "/volumes"));
	make_dirs(real(T "/image/overlay2"));
}

/* dockerd came up on the empty directory after a power cut. */
static void test_skeleton_is_set_aside(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	reset();
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	make_skeleton();
	assert_int_equal(holds(&err), 0);
	assert_int_equal(run_child(child_apply, &err, 0), 0);
	assert_true(exists(real(T ".berth-aside/containers")));
	assert_moved();
	/* With a container in it, it is somebody's. */
	make_skeleton();
	make_dirs(real(T "/containers/c1"));
	assert_int_equal(holds(&err), -EEXIST);
	assert_non_null(strstr(err.message, "new content"));
	assert_int_equal(run_child(child_apply, &err, 0), 1);
	assert_true(exists(real(T "/containers/c1")));
	assert_same(real("/twin"), real(D));
}

static void test_refusals(void **state)
{
	_cleanup_(change_release) struct change small = make_change(64 << 20);
	struct change_context ctx = { .host = &host };
	struct error err = ERROR_INIT;

	(void)state;
	reset();
	assert_int_equal(small.kind->holds(&ctx, &small, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "the pool is to have 64M"));
	make_dirs(real(D "/older"));
	assert_int_equal(holds(&err), -EEXIST);
	assert_non_null(strstr(err.message, "both have content"));
	assert_int_equal(run_child(child_apply, NULL, 0), 1);
	assert_same(real("/twin"), real(T));
	reset();
	assert_ok(rename(real(T), real("/elsewhere")));
	assert_ok(symlink("/elsewhere", real(T)));
	assert_int_equal(holds(&err), -ENOTDIR);
	wipe(real("/elsewhere"));
}

static void test_mounts(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	if (!may_mount) {
		print_message("skipped: may not mount here\n");
		skip();
	}
	reset();
	must_mount("none", real(T), "tmpfs", NULL);
	assert_int_equal(holds(&err), 1);
	must_unmount(real(T));
	must_mount("none", real(T "/upper/a"), "tmpfs", NULL); /* a container's root, say */
	assert_int_equal(run_child(child_apply, NULL, 0), 1);
	must_unmount(real(T "/upper/a"));
	assert_same(real("/twin"), real(T));
	assert_false(exists(real(T ".berth-old")));
}

static void test_destination_full(void **state)
{
	(void)state;
	if (!may_mount) {
		print_message("skipped: may not mount here\n");
		skip();
	}
	reset();
	must_mount("none", real("/var/lib/berth/pool"), "tmpfs", "size=32m");
	assert_int_equal(run_child(child_apply, NULL, 0), 1);
	must_unmount(real("/var/lib/berth/pool"));
	assert_same(real("/twin"), real(T));
	assert_false(exists(real(T ".berth-old")));
}

static void put_cp(const char *script)
{
	int fd = open(real("/usr/local/bin/cp"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_ok(fd);
	assert_int_equal(file_write_all(fd, script, strlen(script)), 0);
	close(fd);
}

/* A disk that lies, a cp that fails, one that forgets: nothing changes, the half copy is gone. */
static void test_bad_copies(void **state)
{
#define COPY		"#!/bin/sh\n/bin/cp \"$@\"; for to in \"$@\"; do :; done\n"
#define KEEP_TIME(path) "touch -d @1400000000.123456789 " path "\n"
	static const char *const SCRIPTS[] = {
		(COPY
		 "printf X | dd of=\"$to/plain\" bs=1 seek=77 conv=notrunc 2>/dev/null\n" KEEP_TIME(
			 "\"$to/plain\"")),
		(COPY "rm \"$to/empty\"\n" KEEP_TIME("\"$to\"")),
		(COPY "echo 'cp: error writing: No space left' >&2; exit 1\n"),
		"#!/bin/sh\nexit 0\n",
		"#!/bin/sh\nkill -9 $$\n",
	};

	(void)state;
	make_dirs(real("/usr/local/bin"));
	for (size_t i = 0; i < ARRAY_SIZE(SCRIPTS); i++) {
		reset();
		put_cp(SCRIPTS[i]);
		assert_int_equal(run_child(child_apply, NULL, 0), 1);
		assert_same(real("/twin"), real(T));
		assert_false(exists(real(T ".berth-old")));
		assert_false(exists(real(D ".berth-partial")));
	}
	wipe(real("/usr/local/bin/cp"));
}

/* ---- discard ---- */

static int child_discard(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host };

	(void)userdata;
	return move_discard_old(&ctx, T, err);
}

static void test_discard(void **state)
{
	(void)state;
	reset();
	assert_int_equal(run_child(child_discard, NULL, 0), 0); /* nothing to discard */
	assert_same(real("/twin"), real(T));
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	assert_int_equal(run_child(child_discard, NULL, 3), 137);
	assert_int_equal(run_child(child_discard, NULL, 0), 0);
	assert_false(exists(real(T ".berth-old")));
	assert_same(real("/twin"), real(D));
}

/* ---- and back ---- */

/* Moved, and used since: /twin2 is what is in the pool now. */
static void move_and_use(bool discard)
{
	reset();
	assert_int_equal(run_child(child_apply, NULL, 0), 0);
	if (discard)
		assert_int_equal(run_child(child_discard, NULL, 0), 0);
	put_file(in(real(D), "since"), 100000, 0600);
	fixture_times(real(D));
}

static void test_undo_cut_everywhere(void **state)
{
	struct undoing undoing = { .finished = true, .expected = (enum undo_outcome) - 1 };

	(void)state;
	for (int discard = 0; discard < 2; discard++) {
		unsigned cuts = 0;

		for (unsigned n = 1;; n++) {
			int r;

			move_and_use(discard);
			r = run_child(child_undo, &undoing, n);
			if (r == 137) {
				cuts++;
				assert_int_equal(run_child(child_undo, &undoing, 0), 0);
			}
			assert_back("/twin2");
			if (r == 0)
				break;
			assert_int_equal(r, 137);
		}
		print_message("%u points\n", cuts);
		assert_true(cuts >= 8);
	}
}

static void test_undo_outcomes(void **state)
{
	struct undoing done = { .finished = true, .expected = UNDO_DONE };
	struct undoing nothing = { .finished = true, .expected = UNDO_NOTHING };
	struct undoing left = { .finished = true, .expected = UNDO_LEFT };

	(void)state;
	move_and_use(false);
	assert_int_equal(run_child(child_undo, &done, 0), 0);
	assert_int_equal(run_child(child_undo, &nothing, 0), 0);
	assert_back("/twin2");
	/* The pool lost its data: what was there before comes back. */
	move_and_use(false);
	wipe(real(D));
	assert_int_equal(run_child(child_undo, &done, 0), 0);
	assert_back("/twin");
	/* ... but not over somebody's. */
	move_and_use(false);
	wipe(real(D));
	make_dirs(real(T "/mine"));
	assert_int_equal(run_child(child_undo, &left, 0), 0);
	assert_true(exists(real(T "/mine")));
	assert_same(real("/twin"), real(T ".berth-old"));
	/* Content in both: refused. */
	move_and_use(true);
	make_dirs(real(T "/mine"));
	assert_int_equal(run_child(child_undo, &done, 0), 1);
	assert_same(real("/twin2"), real(D));
}

static int child_back(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host, .delete_data = *(bool *)userdata };
	int r = move_back(&ctx, D, "/small/docker", err);

	/* Does not fit: refused; may be deleted: nothing to do. */
	if (r == -ENOSPC && strstr(err->message, "--delete-data") &&
	    strstr(err->message, "are free"))
		return 0;
	return r == 0 && ctx.delete_data ? 0 : error_set(err, EPROTO, "%d: %s", r, err->message);
}

static void test_back_does_not_fit(void **state)
{
	bool delete_data = false;

	(void)state;
	if (!may_mount) {
		print_message("skipped: may not mount here\n");
		skip();
	}
	move_and_use(true);
	make_dirs(real("/small"));
	must_mount("none", real("/small"), "tmpfs", "size=32m");
	assert_int_equal(run_child(child_back, &delete_data, 0), 0);
	assert_same(real("/twin2"), real(D));
	delete_data = true;
	assert_int_equal(run_child(child_back, &delete_data, 0), 0);
	assert_false(exists(real("/small/docker")));
	must_unmount(real("/small"));
}

static int child_move_back(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host };
	int r = move_back(&ctx, D, T, err);

	return r == *(int *)userdata || r < 0 ? MIN_OF(r, 0) : error_set(err, EPROTO, "%d", r);
}

/* Never had data of its own, but has some now. */
static void test_move_back(void **state)
{
	int expected = 1;

	(void)state;
	reset();
	wipe(real(T));
	make_skeleton();
	fixture_build(real(D));
	assert_int_equal(run_child(child_move_back, &expected, 0), 0);
	assert_back("/twin");
	assert_true(exists(real(T ".berth-aside/volumes")));
	expected = 0;
	assert_int_equal(run_child(child_move_back, &expected, 0), 0);
	assert_back("/twin");
}

/* ---- pool directories ---- */

static int child_pool_dir(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host };
	_cleanup_(change_release) struct change change = {
		.kind = &change_pool_dir,
		.target = strdup(D),
		.want = json_pack("{s:i}", "mode", 0711),
	};
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	int r = change.kind->holds(&ctx, &change, err);

	if (r == 0)
		r = change.kind->capture(&ctx, &change, &before, err);
	if (r == 0)
		r = change.kind->apply(&ctx, &change, before, &after, err);
	return r == 0 && change.kind->holds(&ctx, &change, err) != 1
		       ? error_set(err, EPROTO, "it does not hold")
		       : r;
}

static int child_pool_dir_undo(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host };
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 0);
	const struct change_record record = { .target = D, .before = before };
	enum undo_outcome outcome;
	int r = change_pool_dir.undo(&ctx, &record, &outcome, &why, err);

	if (r < 0 || outcome == *(enum undo_outcome *)userdata)
		return r;
	return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
}

static void test_pool_dir(void **state)
{
	enum undo_outcome expected = UNDO_LEFT;
	struct stat st;

	(void)state;
	for (unsigned n = 1;; n++) {
		int r;

		reset();
		r = run_child(child_pool_dir, NULL, n);
		assert_int_equal(run_child(child_pool_dir, NULL, 0), 0);
		assert_ok(lstat(real(D), &st));
		assert_int_equal(st.st_mode & 07777, 0711);
		assert_false(exists(real(D ".berth-new")));
		if (r == 0)
			break;
	}
	put_file(in(real(D), "file"), 1, 0600);
	assert_int_equal(run_child(child_pool_dir_undo, &expected, 0), 0);
	wipe(in(real(D), "file"));
	expected = UNDO_DONE;
	assert_int_equal(run_child(child_pool_dir_undo, &expected, 0), 0);
	expected = UNDO_NOTHING;
	assert_int_equal(run_child(child_pool_dir_undo, &expected, 0), 0);
	assert_false(exists(real(D)));
}

/* ---- the pool: a real XFS if we may, else a tmpfs, else a directory ---- */

static bool mount_xfs(const char *pool)
{
	const char *image = real("/pool.img");
	struct loop_device loop;
	int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;

	assert_ok(fd);
	assert_ok(ftruncate(fd, (off_t)512 << 20));
	if (access("/sbin/mkfs.xfs", X_OK) < 0 || loop_attach(fd, 4096, &loop, NULL) < 0) {
		close(fd);
		return false;
	}
	run_program("/sbin/mkfs.xfs", "-q", "-ssize=4096", loop.device);
	r = mount_device(loop.device, pool, "xfs", 0, NULL, NULL);
	(void)loop_detach(loop.device, NULL); /* lazily: with the mount's end */
	close(fd);
	return r == 0;
}

static int group_setup(void **state)
{
	static const char *const PROGRAMS[] = { "/bin/cp", NULL };
	const char *kind = "a directory of the same file system (may not mount)";

	(void)state;
	may_mount = own_mounts();
	host_build(&host, PROGRAMS);
	make_dirs(real("/var/lib/berth/pool"));
	if (may_mount && mount_xfs(real("/var/lib/berth/pool"))) {
		kind = "XFS on a loop device";
	} else if (may_mount) {
		must_mount("none", real("/var/lib/berth/pool"), "tmpfs", NULL);
		kind = "tmpfs (no XFS or no loop device here)";
	}
	print_message("the pool is %s\n", kind);
	fixture_build(real("/twin"));
	fixture_build(real("/twin2"));
	put_file(real("/twin2/since"), 100000, 0600);
	fixture_times(real("/twin2"));
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	if (may_mount)
		must_unmount(real("/var/lib/berth/pool"));
	wipe(host.root);
	host_release(&host);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move),
		cmocka_unit_test(test_move_onto_empty),
		cmocka_unit_test(test_nothing_to_move),
		cmocka_unit_test(test_move_cut_everywhere),
		cmocka_unit_test(test_move_cut_then_undone),
		cmocka_unit_test(test_skeleton_is_set_aside),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_destination_full),
		cmocka_unit_test(test_bad_copies),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_undo_cut_everywhere),
		cmocka_unit_test(test_undo_outcomes),
		cmocka_unit_test(test_back_does_not_fit),
		cmocka_unit_test(test_move_back),
		cmocka_unit_test(test_pool_dir),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
