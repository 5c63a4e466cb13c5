#include "tree_fixture.h"

#include "sys/dir_names.h"

static char top[] = "/tmp/berth-names-XXXXXX";

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

static void names_are_sorted(void **state)
{
	_cleanup_fd_ int fd = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(strv_release) struct strv names = STRV_INIT;

	assert_int_equal(dir_is_empty(fd), 1);
	assert_int_equal(dir_names(fd, &names), 0);
	assert_int_equal(names.len, 0);
	put_text(in(top, "b"), "");
	put_text(in(top, "a\nb"), "");
	make_dirs(in(top, ".hidden"));
	assert_int_equal(dir_is_empty(fd), 0);
	assert_int_equal(dir_names(fd, &names), 0);
	assert_int_equal(names.len, 3);
	assert_string_equal(names.items[0], ".hidden");
	assert_string_equal(names.items[1], "a\nb");
	assert_string_equal(names.items[2], "b");
	/* Added to what is there. */
	assert_int_equal(dir_names(fd, &names), 0);
	assert_int_equal(names.len, 6);
}

static void what_is_no_directory(void **state)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_fd_ int fd = -EBADF;

	put_text(in(top, "file"), "");
	fd = open(in(top, "file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(dir_names(fd, &names), -ENOTDIR);
	assert_int_equal(dir_is_empty(fd), -ENOTDIR);
	assert_int_equal(dir_names(-EBADF, &names), -EBADF);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(names_are_sorted), TEST(what_is_no_directory) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
