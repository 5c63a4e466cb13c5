/* The stash, cut off before every single rename: each entry is always in exactly one place. */
#include "tree_fixture.h"

#include <sys/file.h>

#include "sandbox/fence.h"
#include "sandbox/orphans.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/stash.h"

#define BOX	"3f0c5a1be94d"
#define OTHER	"77aa0011"
#define ENTRIES 5

static const char *const KINDS[] = { "docker", "kubelet" };
static char top[] = "/tmp/berth-stash-XXXXXX";
static int pool = -EBADF;

static const char *at(const char *path)
{
	return in(top, path);
}

static char *entry(const char *area, const char *kind, const char *id, unsigned number)
{
	char *path = xasprintf("%s/%s/%s/%s/e%u", top, area, kind, id, number);

	assert_non_null(path);
	return path;
}

static char *volume(const char *area, const char *kind, const char *id)
{
	char *path = xasprintf("%s/%s/%s/%s", top, area, kind, id);

	assert_non_null(path);
	return path;
}

/* What sysbox-mgr makes in `create`; `text` NULL: of an image with nothing there. */
static void make_volumes(const char *id, const char *text)
{
	for (size_t k = 0; k < ARRAY_SIZE(KINDS); k++) {
		_cleanup_free_ char *path = volume(POOL_SYSBOX, KINDS[k], id);

		make_dirs(path);
		assert_ok(chmod(path, 0700));
		for (unsigned i = 0; text && i < ENTRIES; i++) {
			_cleanup_free_ char *file = entry(POOL_SYSBOX, KINDS[k], id, i);

			put_text(file, text);
		}
	}
}

/* What sysbox-mgr does at its start and at its stop. */
static void mgr_wipes(void)
{
	wipe(at(POOL_SYSBOX));
	make_dirs(at(POOL_SYSBOX "/docker"));
	make_dirs(at(POOL_SYSBOX "/kubelet"));
}

static bool has_text(const char *path, const char *text)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	return file_read_at(AT_FDCWD, path, 100, &data, &len) == 0 && strcmp(data, text) == 0;
}

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
	mgr_wipes();
	pool = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(pool >= 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_closep(&pool);
	wipe(top);
	return 0;
}

static void again(void)
{
	(void)teardown(NULL);
	(void)setup(NULL);
}

static void work_stash(void)
{
	struct error err = ERROR_INIT;
	struct stash_report report;

	if (stash_all(pool, &report, &err) < 0) {
		print_error("%s\n", err.message);
		_exit(1);
	}
}

static void work_restore(void)
{
	struct error err = ERROR_INIT;
	unsigned restored;

	if (stash_restore(pool, BOX, &restored, &err) < 0) {
		print_error("%s\n", err.message);
		_exit(1);
	}
}

/*
 * In a child that stops dead at its `number`-th fault point, 0: at none. 1: it did, 0: it came to its end.
 * Always a child: a process counts its fault points from its first one on.
 */
static int cut(unsigned number, void (*work)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%u", number);
		if (number)
			(void)setenv("BERTH_FAULT_AT", text, 1);
		work();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 137);
	return WEXITSTATUS(status) == 137;
}

static void must_stash(void)
{
	assert_int_equal(cut(0, work_stash), 0);
}

static void must_restore(void)
{
	assert_int_equal(cut(0, work_restore), 0);
}

/* The sandbox's own data, `text`, is once in every place together, whole. */
static void assert_once(const char *text)
{
	static const char *const AREAS[] = { POOL_SYSBOX, POOL_STASH, POOL_RESTORE };

	for (size_t k = 0; k < ARRAY_SIZE(KINDS); k++) {
		for (unsigned i = 0; i < ENTRIES; i++) {
			unsigned found = 0;

			for (size_t a = 0; a < ARRAY_SIZE(AREAS); a++) {
				_cleanup_free_ char *path = entry(AREAS[a], KINDS[k], BOX, i);

				found += has_text(path, text);
			}
			if (found != 1)
				fail_msg("%s/e%u is in %u places", KINDS[k], i, found);
		}
	}
}

static void assert_in_volume(const char *text)
{
	for (size_t k = 0; k < ARRAY_SIZE(KINDS); k++) {
		for (unsigned i = 0; i < ENTRIES; i++) {
			_cleanup_free_ char *path = entry(POOL_SYSBOX, KINDS[k], BOX, i);

			assert_true(has_text(path, text));
		}
	}
}

/* sysbox-mgr is back, and the sandbox starts: its data is where it was, whatever the image brought. */
static void assert_starts_again(const char *image)
{
	mgr_wipes();
	make_volumes(BOX, image);
	must_restore();
	assert_in_volume("mine");
}

static void into_the_stash_and_back(void **state)
{
	_cleanup_free_ char *path = volume(POOL_SYSBOX, "docker", BOX);
	struct stat st;

	make_volumes(BOX, "mine");
	make_volumes(OTHER, NULL);
	assert_ok(chmod(path, 0710));
	must_stash();
	assert_once("mine");
	assert_false(exists(path));
	assert_starts_again("image");
	assert_ok(stat(path, &st));
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_true(has_text(at(POOL_DROP "/" BOX ".0/e0"), "image"));
	assert_false(exists(at(POOL_STASH "/docker/" BOX)));
	assert_false(exists(at(POOL_RESTORE "/docker/" BOX)));
	assert_false(exists(at(POOL_STASH "/docker/" OTHER)));
}

static void stash_is_cut_anywhere(void **state)
{
	unsigned number = 1, points;

	for (;; number++) {
		again();
		make_volumes(BOX, "mine");
		points = number;
		if (!cut(number, work_stash))
			break;
		assert_once("mine");
		must_stash();
		assert_once("mine");
		assert_starts_again("image");
	}
	assert_true(points > ARRAY_SIZE(KINDS));
}

static void prepare_restore(void)
{
	again();
	make_volumes(BOX, "mine");
	must_stash();
	mgr_wipes();
	make_volumes(BOX, "image");
}

static void restore_is_cut_anywhere(void **state)
{
	unsigned number;

	for (number = 1;; number++) {
		prepare_restore();
		if (!cut(number, work_restore))
			break;
		assert_once("mine");
		/* The sandbox is started again under the same sysbox-mgr... */
		must_restore();
		assert_in_volume("mine");
		/* ... or sysbox-mgr was restarted in between. */
		prepare_restore();
		assert_int_equal(cut(number, work_restore), 1);
		must_stash();
		assert_once("mine");
		assert_starts_again("image");
	}
	/* Every entry of every kind, those of the image put aside, and the directories. */
	assert_true(number > ARRAY_SIZE(KINDS) * ENTRIES * 2);
}

/* A restore that was cut off, and then the stash that gathers it is cut off, too. */
static void both_are_cut_anywhere(void **state)
{
	for (unsigned first = 1; first < 40; first += 3) {
		for (unsigned second = 1;; second++) {
			prepare_restore();
			if (!cut(first, work_restore) || !cut(second, work_stash))
				break;
			assert_once("mine");
			must_stash();
			assert_once("mine");
			assert_starts_again(NULL);
		}
	}
}

static void what_waits_is_not_overwritten(void **state)
{
	struct error err = ERROR_INIT;
	struct stash_report report;

	make_volumes(BOX, "mine");
	must_stash();
	/* A sandbox that was made and never started: what is there now is the image's. */
	make_volumes(BOX, "image");
	assert_int_equal(stash_all(pool, &report, &err), 0);
	assert_int_equal(report.stashed, 0);
	assert_int_equal(report.waiting, 2);
	assert_once("mine");
}

static void owners_that_do_not_fit(void **state)
{
	_cleanup_free_ char *kept = NULL;
	struct error err = ERROR_INIT;
	unsigned restored;

	if (geteuid() != 0)
		skip();
	prepare_restore();
	kept = volume(POOL_STASH, "docker", BOX);
	assert_ok(chown(kept, 100000, 100000));
	assert_int_equal(stash_restore(pool, BOX, &restored, &err), -EUCLEAN);
	assert_non_null(strstr(err.message, "owner 100000"));
	assert_once("mine");
}

static void what_is_no_volume_is_left(void **state)
{
	struct error err = ERROR_INIT;
	struct stash_report report;

	make_dirs(at(POOL_SYSBOX "/rootfs/" BOX "/overlay2"));
	make_dirs(at(POOL_SYSBOX "/shiftfs/uuid/x"));
	make_dirs(at("elsewhere"));
	put_text(at("elsewhere/secret"), "x");
	assert_ok(symlink(at("elsewhere"), at(POOL_SYSBOX "/docker/" BOX)));
	put_text(at(POOL_SYSBOX "/docker/file"), "x");
	assert_int_equal(stash_all(pool, &report, &err), 0);
	assert_int_equal(report.stashed, 0);
	assert_true(exists(at(POOL_SYSBOX "/rootfs/" BOX "/overlay2")));
}

static void given_back_at_the_end(void **state)
{
	struct error err = ERROR_INIT;

	make_volumes(BOX, "mine");
	must_stash();
	make_volumes(BOX, NULL);
	assert_int_equal(stash_give_back(pool, &err), 0);
	assert_in_volume("mine");
	assert_false(exists(at(POOL_STASH "/docker/" BOX)));
}

static void removed_for_good(void **state)
{
	struct error err = ERROR_INIT;

	make_volumes(BOX, "mine");
	make_volumes(OTHER, "others");
	must_stash();
	assert_int_equal(stash_remove(pool, BOX, &err), 0);
	assert_false(exists(at(POOL_STASH "/docker/" BOX)));
	assert_true(has_text(at(POOL_STASH "/docker/" OTHER "/e0"), "others"));
	make_dirs(at(POOL_DROP "/x/y"));
	assert_int_equal(stash_empty_drop(pool, &err), 0);
	assert_false(exists(at(POOL_DROP "/x")));
}

static void since_when_it_is_gone(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(orphan_since(pool, BOX), 0);
	assert_int_equal(orphan_note(pool, BOX, 1000, &err), 0);
	assert_int_equal(orphan_since(pool, BOX), 1000);
	assert_false(orphan_is_due(1000, 1059, 60));
	assert_true(orphan_is_due(1000, 1060, 60));
	/* The clock was set back. */
	assert_false(orphan_is_due(1000, 10, 60));
	assert_int_equal(orphan_forget(pool, BOX, &err), 0);
	assert_int_equal(orphan_since(pool, BOX), 0);
	assert_int_equal(orphan_forget(pool, BOX, &err), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Of the sysbox-mgr that was there when it was raised, and of no other. */
static void a_fence_is_one_managers(void **state)
{
	_cleanup_free_ char *path = strdup(at("fence"));
	struct error err = ERROR_INIT;

	(void)state;
	assert_false(fence_stands(path, 7));
	assert_int_equal(fence_raise(path, 0, &err), 0);
	assert_false(fence_stands(path, 0));
	assert_int_equal(fence_raise(path, 7, &err), 0);
	assert_true(fence_stands(path, 7));
	assert_false(fence_stands(path, 8));
	assert_false(fence_stands(path, 0));
	assert_int_equal(fence_raise(path, 8, &err), 0);
	assert_false(fence_stands(path, 7));
	assert_int_equal(fence_raise(at("away/fence"), 7, &err), -ENOENT);
}

static bool is_locked_out(int operation)
{
	_cleanup_fd_ int dir = pool_dir_open(pool, POOL_STASH);

	assert_true(dir >= 0);
	return flock(dir, operation | LOCK_NB) < 0;
}

static void starts_and_the_stash_wait_for_each_other(void **state)
{
	int start = -EBADF, stash = -EBADF;
	struct error err = ERROR_INIT;

	(void)state;
	make_volumes(BOX, "kept");
	must_stash();
	assert_int_equal(stash_holds(pool, BOX, &err), 1);
	assert_int_equal(stash_holds(pool, OTHER, &err), 0);
	assert_int_equal(fence_lock(pool, LOCK_SH, &start, &err), 0);
	assert_false(is_locked_out(LOCK_SH));
	assert_true(is_locked_out(LOCK_EX));
	start = fd_close(start);
	assert_int_equal(fence_lock(pool, LOCK_EX, &stash, &err), 0);
	assert_true(is_locked_out(LOCK_SH));
	(void)fd_close(stash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(into_the_stash_and_back), TEST(a_fence_is_one_managers),
		TEST(starts_and_the_stash_wait_for_each_other),	TEST(stash_is_cut_anywhere),
		TEST(restore_is_cut_anywhere),	TEST(both_are_cut_anywhere),
		TEST(what_waits_is_not_overwritten), TEST(owners_that_do_not_fit),
		TEST(what_is_no_volume_is_left), TEST(given_back_at_the_end),
		TEST(removed_for_good),		TEST(since_when_it_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
