/* The way back, and the pool's directories. */
#include "move_fixture.h"

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
	_cleanup_json_ json_t *want = json_pack("{s:s}", "place", T);
	const struct change_record record = { .target = D, .want = want, .before = before };
	enum undo_outcome outcome;
	int r = change_pool_dir.undo(&ctx, &record, &outcome, &why, err);

	if (r < 0 || outcome == *(enum undo_outcome *)userdata || *(int *)userdata < 0)
		return r;
	return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
}

static void test_pool_dir(void **state)
{
	enum undo_outcome expected = UNDO_DONE;
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
	assert_int_equal(run_child(child_pool_dir_undo, &expected, 0), 0);
	expected = UNDO_NOTHING;
	assert_int_equal(run_child(child_pool_dir_undo, &expected, 0), 0);
	assert_false(exists(real(D)));
}

/* Containers that were made in it come back to its place, wherever the undo is cut. */
static void test_pool_dir_gives_back(void **state)
{
	enum undo_outcome expected = UNDO_DONE;
	int r = 137;

	(void)state;
	for (unsigned n = 1; r != 0; n++) {
		reset();
		wipe(real(T));
		make_dirs(real(D "/containers/c1"));
		put_file(real(D "/containers/c1/log"), 100000, 0600);
		r = run_child(child_pool_dir_undo, &expected, n);
		assert_true(r == 0 || r == 137);
		if (r == 137) {
			enum undo_outcome any = (enum undo_outcome) - 1;

			assert_int_equal(run_child(child_pool_dir_undo, &any, 0), 0);
		}
		assert_true(exists(real(T "/containers/c1/log")));
		assert_false(exists(real(D)));
		assert_false(exists(real(D ".berth-back")));
		assert_false(exists(real(T ".berth-partial")));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_undo_cut_everywhere),
		cmocka_unit_test(test_undo_outcomes),
		cmocka_unit_test(test_back_does_not_fit),
		cmocka_unit_test(test_move_back),
		cmocka_unit_test(test_pool_dir),
		cmocka_unit_test(test_pool_dir_gives_back),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
