#include "host_fixture.h"

#include <limits.h>

#define OUTSIDE "outside the root"

/* A file beside the root that nothing inside may reach. */
static void put_outside(char path[static 512])
{
	int fd;

	(void)snprintf(path, 512, "%s-secret", host.root);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, OUTSIDE, strlen(OUTSIDE)), 0);
	close(fd);
}

static void assert_untouched(const char *path)
{
	_cleanup_free_ char *text = NULL;

	assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_string_equal(text, OUTSIDE);
	(void)unlink(path);
}

static void links_never_lead_out(void **state)
{
	char outside[512], dotted[600];
	_cleanup_free_ char *text = NULL;
	struct stat st;

	put_outside(outside);
	assert_int_equal(symlink(outside, real("/absolute")), 0);
	(void)snprintf(dotted, sizeof(dotted), "../../..%s", outside);
	assert_int_equal(symlink(dotted, real("/dotted")), 0);
	assert_int_equal(host_read(&host, "/absolute", 4096, &text, NULL), -ENOENT);
	assert_int_equal(host_read(&host, "/dotted", 4096, &text, NULL), -ENOENT);
	assert_int_equal(host_read(&host, dotted, 4096, &text, NULL), -ENOENT);
	assert_false(host_exists(&host, "/absolute"));
	assert_int_equal(host_stat(&host, "/absolute", &st, false), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(host_stat(&host, "/absolute", &st, true), -ENOENT);
	assert_untouched(outside);
}

static void links_inside_work(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	put("/usr/lib/os-release", "ID=x\n");
	put("/etc/hostname", "h\n");
	assert_int_equal(symlink("../usr/lib/os-release", real("/etc/os-release")), 0);
	assert_int_equal(symlink("/etc/hostname", real("/name")), 0);
	assert_int_equal(host_read(&host, "/etc/os-release", 64, &text, &len), 0);
	assert_int_equal(len, 5);
	free(text);
	/* An absolute link is absolute inside, and ".." ends at the root. */
	assert_int_equal(host_read(&host, "/name", 64, &text, &len), 0);
	assert_string_equal(text, "h\n");
	free(text);
	assert_int_equal(host_read(&host, "/../../etc/../name", 64, &text, &len), 0);
}

static void writing_stays_inside(void **state)
{
	static const struct file_attrs ATTRS = { .mode = 0600 };
	char outside[512], dir[PATH_MAX];
	struct error err = ERROR_INIT;

	put_outside(outside);
	/* A link in the file's place is replaced, not followed. */
	assert_int_equal(symlink(outside, real("/file")), 0);
	assert_int_equal(host_write(&host, "/file", "in", 2, &ATTRS, &err), 0);
	assert_text("/file", "in");
	/* A directory that leads out: the same path inside is what is meant. */
	(void)snprintf(dir, sizeof(dir), "%s", outside);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(symlink(dir, real("/dir")), 0);
	assert_int_equal(host_write(&host, "/dir/x", "in", 2, &ATTRS, &err), -ENOENT);
	assert_says(err.message, "open the directory of '/dir/x'");
	assert_int_equal(host_remove(&host, "/dir/x", &err), 0);
	assert_untouched(outside);
}

static void files_are_written_and_removed(void **state)
{
	static const struct file_attrs ATTRS = { .mode = 0640 };
	struct error err = ERROR_INIT;

	assert_int_equal(host_write(&host, "/a", "one\n", 4, &ATTRS, &err), 0);
	assert_int_equal(host_write(&host, "/a", "two", 3, &ATTRS, &err), 0);
	assert_text("/a", "two");
	assert_int_equal(mode_of("/a"), 0640);
	assert_false(is_there("/.a.berth-tmp"));
	assert_int_equal(host_remove(&host, "/a", &err), 0);
	assert_int_equal(host_remove(&host, "/a", &err), 0);
	assert_int_equal(host_remove(&host, "/no/such/dir/a", &err), 0);
	assert_false(is_there("/a"));
}

static void reading_has_limits(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	put("/five", "12345");
	assert_int_equal(host_read(&host, "/five", 4, &text, &len), -EFBIG);
	assert_int_equal(host_read(&host, "/five", 5, &text, &len), 0);
	must(host_mkdirs(&host, "/dir", 0755, NULL, &must_err));
	free(TAKE_PTR(text));
	assert_int_equal(host_read(&host, "/dir", 5, &text, &len), -EISDIR);
	assert_int_equal(mkfifo(real("/fifo"), 0600), 0);
	assert_int_equal(host_read(&host, "/fifo", 5, &text, &len), -EINVAL);
	assert_int_equal(host_read(&host, "/five/x", 5, &text, &len), -ENOTDIR);
	assert_int_equal(host_read(&host, "", 5, &text, &len), -ENOENT);
}

static void a_path_needs_a_last_component(void **state)
{
	const char *name = NULL;
	int fd;

	assert_int_equal(host_open_parent(&host, "/", &name), -EINVAL);
	assert_int_equal(host_open_parent(&host, "/etc/", &name), -EINVAL);
	assert_int_equal(host_open_parent(&host, "name", &name), -EINVAL);
	fd = host_open_parent(&host, "/name", &name);
	assert_true(fd >= 0);
	assert_string_equal(name, "name");
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void directories_are_made_and_named(void **state)
{
	_cleanup_(strv_release) struct strv made = STRV_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(host_mkdirs(&host, "/a/b", 0700, NULL, &err), 0);
	assert_int_equal(host_mkdirs(&host, "/a/b/c/d", 0711, &made, &err), 0);
	assert_int_equal(made.len, 2);
	assert_string_equal(made.items[0], "/a/b/c");
	assert_string_equal(made.items[1], "/a/b/c/d");
	assert_int_equal(mode_of("/a/b"), 0700);
	assert_int_equal(mode_of("/a/b/c"), 0755);
	assert_int_equal(mode_of("/a/b/c/d"), 0711);
	assert_int_equal(host_mkdirs(&host, "/a/b", 0755, &made, &err), 0);
	assert_int_equal(made.len, 2);
	put("/a/file", "");
	assert_int_equal(host_mkdirs(&host, "/a/file/x", 0755, NULL, &err), -ENOTDIR);
	assert_says(err.message, "'/a/file/x'");
	assert_int_equal(host_rmdir(&host, "/a/b"), -ENOTEMPTY);
	assert_int_equal(host_rmdir(&host, "/a/b/c/d"), 0);
	assert_int_equal(host_rmdir(&host, "/a/b/c/d"), -ENOENT);
	assert_int_equal(host_rmdir(&host, "/a/file"), -ENOTDIR);
}

static void renaming_and_linking(void **state)
{
	_cleanup_free_ char *target = NULL;
	struct error err = ERROR_INIT;

	put("/from/x", "x");
	put("/to/y", "y");
	assert_int_equal(host_rename(&host, "/from/x", "/to/y", &err), 0);
	assert_text("/to/y", "x");
	assert_false(is_there("/from/x"));
	assert_int_equal(host_rename(&host, "/from/x", "/to/y", &err), -ENOENT);
	assert_string_equal(err.message, "rename '/from/x' to '/to/y': No such file or directory");
	assert_int_equal(host_rename(&host, "/to/y", "/no/y", &err), -ENOENT);
	assert_int_equal(host_symlink(&host, "/to/y", "/link", &err), 0);
	assert_int_equal(host_symlink(&host, "/to/y", "/link", &err), -EEXIST);
	assert_says(err.message, "link '/link' to '/to/y'");
	assert_int_equal(host_readlink(&host, "/link", &target), 0);
	assert_string_equal(target, "/to/y");
	assert_int_equal(host_readlink(&host, "/to/y", &target), -EINVAL);
}

static void facts_come_from_the_folder(void **state)
{
	_cleanup_(host_release) struct host again = HOST_INIT;
	char *fact;

	put("/recorded", "arch=aarch64\ntry.xfs=no\nempty=\nequals=a=b\nlast=end");
	assert_null(host_fact(&host, "arch")); /* read when it was opened */
	assert_int_equal(host_open_root(host.root, &again, NULL), 0);
	assert_true(host_is_rooted(&again));
	fact = host_fact(&again, "arch");
	assert_string_equal(fact, "aarch64");
	free(fact);
	fact = host_fact(&again, "empty");
	assert_string_equal(fact, "");
	free(fact);
	fact = host_fact(&again, "equals");
	assert_string_equal(fact, "a=b");
	free(fact);
	fact = host_fact(&again, "last");
	assert_string_equal(fact, "end");
	free(fact);
	assert_null(host_fact(&again, "arc"));
	assert_null(host_fact(&again, "xfs"));
	assert_null(host_fact(&again, "archx"));
}

static void the_machine_itself_has_no_facts(void **state)
{
	_cleanup_(host_release) struct host machine = HOST_INIT;
	_cleanup_free_ char *path = NULL;

	assert_int_equal(host_open_root(NULL, &machine, NULL), 0);
	assert_false(host_is_rooted(&machine));
	assert_null(host_fact(&machine, "arch"));
	assert_true(host_exists(&machine, "/proc/self/status"));
	path = host_real_path(&machine, "/etc/x");
	assert_string_equal(path, "/etc/x");
}

static void a_root_that_is_none(void **state)
{
	struct host none = HOST_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(host_open_root("/no/such/folder", &none, &err), -ENOENT);
	assert_says(err.message, "open the host's root '/no/such/folder'");
	put("/file", "");
	assert_int_equal(host_open_root(real("/file"), &none, &err), -ENOTDIR);
	must(host_mkdirs(&host, "/sub/recorded", 0755, NULL, &must_err));
	assert_true(host_open_root(real("/sub"), &none, &err) < 0);
	assert_says(err.message, "recorded");
	assert_null(none.root);
}

static void programs_are_those_of_the_root(void **state)
{
	char *path;

	assert_null(host_find_program(&host, "sh"));
	put_bytes("/usr/bin/tool", "", 0, 0644);
	assert_null(host_find_program(&host, "tool")); /* not executable */
	put_bytes("/sbin/tool", "", 0, 0755);
	path = host_find_program(&host, "tool");
	assert_string_equal(path, "/sbin/tool");
	free(path);
	put_bytes("/usr/local/sbin/tool", "", 0, 0755);
	path = host_find_program(&host, "tool");
	assert_string_equal(path, "/usr/local/sbin/tool");
	free(path);
	must(host_mkdirs(&host, "/usr/bin/folder", 0755, NULL, &must_err));
	assert_null(host_find_program(&host, "folder"));
	assert_int_equal(symlink("/bin/sh", real("/usr/bin/out")), 0);
	assert_null(host_find_program(&host, "out"));
}

static void programs_get_a_plain_environment(void **state)
{
	static const char *const ARGV[] = { "show-env", "a b", NULL };
	static const char *const EXTRA[] = { "EXTRA=1", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .env = EXTRA };
	_cleanup_free_ char *root = xasprintf("HOST_ROOT=%s\n", host.root);

	setenv("SECRET_OF_THE_CALLER", "1", 1);
	setenv("https_proxy", "http://proxy:3128", 1);
	put_program("show-env", "env; echo \"arg=$1\"");
	must(host_check(&host, ARGV, &options, &result, &must_err));
	assert_says(result.out.data, root);
	assert_says(result.out.data, "EXTRA=1\n");
	assert_says(result.out.data, "LC_ALL=C.UTF-8\n");
	assert_says(result.out.data, "https_proxy=http://proxy:3128\n");
	assert_says(result.out.data, "arg=a b\n");
	assert_null(strstr(result.out.data, "SECRET_OF_THE_CALLER"));
	unsetenv("https_proxy");
}

static void how_programs_end(void **state)
{
	static const char *const ABSENT[] = { "absent", NULL };
	static const char *const FAILS[] = { "fails", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(host_run(&host, ABSENT, NULL, &result, &err), -ENOENT);
	assert_string_equal(err.message, "the program 'absent' is not on this host");
	put_program("fails", "echo because >&2; exit 3");
	assert_int_equal(host_run(&host, FAILS, NULL, &result, &err), 0);
	assert_int_equal(result.exit_code, 3);
	spawn_result_release(&result);
	assert_int_equal(host_check(&host, FAILS, NULL, &result, &err), -EPROTO);
	assert_says(err.message, "because");
	assert_int_equal(result.exit_code, 3);
}

static void an_absolute_program_is_the_roots(void **state)
{
	static const char *const ARGV[] = { "/usr/bin/tool", NULL };
	static const char *const OUTER[] = { "/bin/sh", NULL };
	struct error err = ERROR_INIT;

	put_program("tool", "exit 0");
	assert_int_equal(host_check(&host, ARGV, NULL, NULL, &err), 0);
	assert_true(was_called("tool"));
	assert_int_equal(host_run(&host, OUTER, NULL, NULL, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(links_never_lead_out),
		host_test(links_inside_work),
		host_test(writing_stays_inside),
		host_test(files_are_written_and_removed),
		host_test(reading_has_limits),
		host_test(a_path_needs_a_last_component),
		host_test(directories_are_made_and_named),
		host_test(renaming_and_linking),
		host_test(facts_come_from_the_folder),
		host_test(the_machine_itself_has_no_facts),
		host_test(a_root_that_is_none),
		host_test(programs_are_those_of_the_root),
		host_test(programs_get_a_plain_environment),
		host_test(how_programs_end),
		host_test(an_absolute_program_is_the_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
