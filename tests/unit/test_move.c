#include "move_fixture.h"

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
	assert_non_null(strstr(err.message, "the pool can take 64M"));
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

/* ---- progress ---- */

struct seen {
	bool copying;
	uint64_t most;
};

static void see_activity(void *userdata, const char *text)
{
	struct seen *seen = userdata;

	seen->copying = strncmp(text, "copying ", 8) == 0;
}

static void see_bytes(void *userdata, uint64_t done, uint64_t total)
{
	struct seen *seen = userdata;

	if (seen->copying && done <= total)
		seen->most = MAX_OF(seen->most, done);
}

static int child_watched(void *userdata, struct error *err)
{
	struct seen seen = { 0 };
	const struct progress progress = { see_activity, see_bytes, &seen };
	_cleanup_(change_release) struct change change = make_change(-1);
	struct change_context ctx = { .host = &host, .progress = &progress };
	_cleanup_json_ json_t *after = NULL;
	int r = change.kind->apply(&ctx, &change, NULL, &after, err);

	(void)userdata;
	return r == 0 && seen.most < 4 << 20 ? error_set(err, EPROTO, "%ju", (uintmax_t)seen.most)
					     : r;
}

/* The copy is watched while cp is at it. */
static void test_progress(void **state)
{
	(void)state;
	if (!may_mount) { /* others' files come and go on a disk that is shared */
		print_message("skipped: no disk of its own to watch here\n");
		skip();
	}
	reset();
	put_file(real(T "/large"), 8 << 20, 0600);
	make_dirs(real("/usr/local/bin"));
	put_cp("#!/bin/sh\n/bin/cp \"$@\" && sync && sleep 0.8\n");
	assert_int_equal(run_child(child_watched, NULL, 0), 0);
	wipe(real("/usr/local/bin/cp"));
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
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_discard),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
