/* Walks through trees that others have made, and their removal. */
#include "tree_fixture.h"

#include "sys/dir_names.h"
#include "sys/tree_remove.h"
#include "sys/tree_walk.h"

static char top[] = "/tmp/berth-walk-XXXXXX";

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wipe(top);
	return 0;
}

static const char *real(const char *path)
{
	return in(top, path);
}

static void walk_is_sorted_and_escaped(void **state)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_fd_ int fd = -EBADF;
	char where[TREE_WHERE_MAX];

	(void)state;
	make_dirs(real("w/b"));
	make_dirs(real("w/a/x\ny"));
	fd = open(real("w"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_walk_open(&walk, fd), 0);
	assert_string_equal(tree_walk_next(&walk), "a");
	assert_int_equal(tree_walk_enter(&walk, "a"), 0);
	assert_string_equal(tree_walk_where(&walk, tree_walk_next(&walk), where), "a/x\\x0ay");
	assert_null(tree_walk_next(&walk));
	assert_int_equal(tree_walk_leave(&walk), 1);
	assert_string_equal(tree_walk_next(&walk), "b");
	assert_null(tree_walk_next(&walk));
	assert_int_equal(tree_walk_leave(&walk), 0);
}

static void walk_follows_nothing(void **state)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_fd_ int fd = -EBADF;

	(void)state;
	make_dirs(real("f"));
	assert_ok(symlink("/etc", real("f/link")));
	put_file(real("f/file"), 1, 0600);
	fd = open(real("f"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_walk_open(&walk, fd), 0);
	assert_true(tree_walk_enter(&walk, "link") < 0);
	assert_int_equal(tree_walk_enter(&walk, "file"), -ENOTDIR);
	assert_int_equal(walk.depth, 1);
}

#define MANY 3000 /* more than one buffer of names */

static unsigned number_in(const char *name)
{
	return (unsigned)strtoul(name, NULL, 10);
}

/* Each once, though half of them are gone and the others entered when their turn is over. */
static void walk_of_any_size(void **state)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_free_ unsigned char *told = calloc(MANY, 1);
	_cleanup_fd_ int fd = -EBADF;
	const char *name;
	char path[32];

	(void)state;
	make_dirs(real("big"));
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(path, sizeof(path), "big/%04u", i);
		assert_ok(mkdir(real(path), 0700));
		(void)snprintf(path, sizeof(path), "big/%04u/in", i);
		assert_ok(mkdir(real(path), 0700));
	}
	fd = open(real("big"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_walk_open_unsorted(&walk, fd), 0);
	while ((name = tree_walk_next(&walk))) {
		assert_int_equal(told[number_in(name)]++, 0);
		(void)snprintf(path, sizeof(path), "big/%.4s/in", name);
		if (number_in(name) % 2) {
			assert_ok(rmdir(real(path)));
			assert_ok(unlinkat(walk.fd, name, AT_REMOVEDIR));
			continue;
		}
		assert_int_equal(tree_walk_enter(&walk, name), 0);
		assert_string_equal(tree_walk_next(&walk), "in");
		assert_null(tree_walk_next(&walk));
		assert_int_equal(tree_walk_leave(&walk), 1);
	}
	assert_null(memchr(told, 0, MANY));
	assert_true(tree_walk_again(&walk));
	assert_non_null(tree_walk_next(&walk));
	assert_int_equal(tree_walk_leave(&walk), 0);
}

/* Also where offsets are counted anew when entries go. */
static void remove_of_any_size(void **state)
{
	char shm[] = "/dev/shm/berth-tree-XXXXXX";
	char *tops[] = { strdup(real("much")), shm };
	struct error err = ERROR_INIT;

	(void)state;
	make_dirs(real("much"));
	for (size_t t = 0; t < ARRAY_SIZE(tops); t++) {
		_cleanup_fd_ int fd = -EBADF;
		char path[200];

		if (tops[t] == shm && !mkdtemp(shm))
			continue;
		for (unsigned i = 0; i < MANY; i++) {
			(void)snprintf(path, sizeof(path), "%s/%u", tops[t], i % 100);
			assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
			(void)snprintf(path, sizeof(path), "%s/%u/%u", tops[t], i % 100, i);
			assert_ok(mkdir(path, 0700));
		}
		fd = open(tops[t], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(tree_remove_below(fd, "it", &err), 0);
		assert_int_equal(dir_is_empty(fd), 1);
		assert_ok(rmdir(tops[t]));
	}
	free(tops[0]);
}

/* Moved to another place while we are inside: up leads elsewhere, and that is noticed. */
static void walk_notices_a_move(void **state)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_fd_ int fd = -EBADF;

	(void)state;
	make_dirs(real("m/in"));
	make_dirs(real("elsewhere"));
	fd = open(real("m"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_walk_open(&walk, fd), 0);
	assert_int_equal(tree_walk_enter(&walk, "in"), 0);
	assert_ok(rename(real("m/in"), real("elsewhere/in")));
	assert_int_equal(tree_walk_leave(&walk), -ESTALE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(walk_is_sorted_and_escaped),
		TEST(walk_follows_nothing),
		TEST(walk_of_any_size),
		TEST(remove_of_any_size),
		TEST(walk_notices_a_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
