#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file_watch.h"

static char dir[] = "/tmp/berth-test-watch-XXXXXX";
static struct file_watch watch;

static char *at(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void put(const char *name)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
}

static const char *changed(int expected)
{
	static char text[1024];
	_cleanup_(strv_release) struct strv paths = STRV_INIT;
	size_t len = 0;

	assert_int_equal(file_watch_take(&watch, &paths), expected);
	text[0] = '\0';
	for (size_t i = 0; i < paths.len; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					paths.items[i] + strlen(dir) + 1);
	return text;
}

static void replaced_removed_and_made(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(file_watch_add(&watch, at("a"), NULL), 0);
	assert_int_equal(file_watch_add(&watch, at("a"), NULL), 0);
	assert_int_equal(file_watch_add(&watch, at("absent"), NULL), 0);
	assert_string_equal(changed(0), "");
	put("other");
	assert_string_equal(changed(0), "");
	put("a");
	put("a");
	assert_string_equal(changed(0), "a");
	assert_int_equal(unlink(at("a")), 0);
	put("absent");
	assert_string_equal(changed(0), "a absent");
	assert_int_equal(chmod(at("absent"), 0600), 0);
	assert_string_equal(changed(0), "absent");
}

/* A directory that is made later, or goes away: the nearest one above tells. */
static void directories_that_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(file_watch_add(&watch, at("d/e/file"), NULL), 0);
	assert_int_equal(mkdir(at("d"), 0700), 0);
	assert_string_equal(changed(0), "d/e/file");
	assert_int_equal(file_watch_add(&watch, at("d/e/file"), NULL), 0);
	assert_int_equal(mkdir(at("d/e"), 0700), 0);
	assert_string_equal(changed(0), "d/e/file");
	assert_int_equal(file_watch_add(&watch, at("d/e/file"), NULL), 0);
	put("d/e/file");
	assert_string_equal(changed(0), "d/e/file");
	assert_int_equal(unlink(at("d/e/file")), 0);
	assert_int_equal(rmdir(at("d/e")), 0);
	assert_string_equal(changed(1), "d/e/file");
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/berth-test-watch-XXXXXX");
	return mkdtemp(dir) && file_watch_open(&watch, NULL) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	file_watch_close(&watch);
	(void)unlink(at("a"));
	(void)unlink(at("other"));
	(void)unlink(at("absent"));
	(void)rmdir(at("d"));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(replaced_removed_and_made, setup, teardown),
		cmocka_unit_test_setup_teardown(directories_that_come_and_go, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
