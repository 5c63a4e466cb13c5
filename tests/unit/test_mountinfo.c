#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "sys/mountinfo.h"

static struct mount_table parse(const char *text)
{
	struct mount_table table = MOUNT_TABLE_INIT;
	struct error err = ERROR_INIT;

	if (mount_table_parse(text, strlen(text), &table, &err) < 0)
		fail_msg("%s", err.message);
	return table;
}

static struct mount_table recorded(const char *name)
{
	_cleanup_free_ char *text = NULL, *path = NULL;
	const char *data = getenv("TEST_DATA");
	struct mount_table table;

	path = xasprintf("%s/mountinfo/%s", data ? data : "tests/data", name);
	assert_non_null(path);
	if (file_read_at(AT_FDCWD, path, FILE_CAP_DEFAULT, &text, NULL) < 0)
		fail_msg("cannot read '%s' (TEST_DATA is the folder tests/data)", path);
	table = parse(text);
	return table;
}

static void test_fields(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = parse(
		"36 35 98:4294967295 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,x\n");
	const struct mount_entry *entry = table.entries;

	assert_int_equal(table.len, 1);
	assert_int_equal(entry->id, 36);
	assert_int_equal(entry->parent, 35);
	assert_int_equal(entry->major, 98);
	assert_true(entry->minor == 4294967295U);
	assert_string_equal(entry->root, "/mnt1");
	assert_string_equal(entry->target, "/mnt2");
	assert_string_equal(entry->options, "rw,noatime");
	assert_string_equal(entry->type, "ext3");
	assert_string_equal(entry->source, "/dev/root");
	assert_string_equal(entry->super_options, "rw,x");
}

static void test_optional_fields(void **state)
{
	static const char *const optional[] = { "", "shared:1 ",
						"shared:1 master:2 propagate_from:3 ",
						"unbindable ", "new_kind:7 another " };

	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		_cleanup_free_ char *line =
			xasprintf("1 0 0:1 / / rw %s- tmpfs source rw\n", optional[i]);
		_cleanup_(mount_table_release) struct mount_table table = parse(line);

		assert_int_equal(table.len, 1);
		assert_string_equal(table.entries[0].type, "tmpfs");
		assert_string_equal(table.entries[0].source, "source");
	}
}

static void test_escapes(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = parse(
		"1 0 0:1 /r\\040oot /a\\040b\\011c\\012d\\134e\\043f rw - fuse.my\\040fs so\\040urce rw,o=\\040\n"
		"2 1 0:1 / /\\8\\777\\12 rw - t \\ rw\n"
		"3 1 0:1 / /\\134040 rw - t \\04 rw\n");

	assert_string_equal(table.entries[0].root, "/r oot");
	assert_string_equal(table.entries[0].target, "/a b\tc\nd\\e#f");
	assert_string_equal(table.entries[0].type, "fuse.my fs");
	assert_string_equal(table.entries[0].source, "so urce");
	assert_string_equal(table.entries[0].super_options, "rw,o=\\040");
	/* No escape the kernel writes: left as it is. */
	assert_string_equal(table.entries[1].target, "/\\8\\777\\12");
	assert_string_equal(table.entries[1].source, "\\");
	/* An escaped backslash does not start another escape. */
	assert_string_equal(table.entries[2].target, "/\\040");
	assert_string_equal(table.entries[2].source, "\\04");
}

static void test_odd_but_valid(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table =
		parse("1 0 0:1 / /no-source rw - tmpfs  rw\n"
		      "2 1 0:4 net:[4026531840] /run/netns/x rw shared:1 - nsfs nsfs rw\n"
		      "3 1 0:5 / /dash rw - fuse - rw,name=a b\n"
		      "4 1 0:6 / /no-newline rw - tmpfs - rw");

	assert_int_equal(table.len, 4);
	assert_string_equal(table.entries[0].source, "");
	assert_string_equal(table.entries[0].super_options, "rw");
	assert_string_equal(table.entries[1].root, "net:[4026531840]");
	assert_string_equal(table.entries[2].source, "-");
	assert_string_equal(table.entries[2].super_options, "rw,name=a b");
	assert_string_equal(table.entries[3].target, "/no-newline");
}

static void test_empty(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = parse("");

	assert_int_equal(table.len, 0);
	assert_null(mount_table_at(&table, "/"));
	assert_null(mount_table_covering(&table, "/"));
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"1",
		"1 0",
		"1 0 0:1",
		"1 0 0:1 / / rw",
		"1 0 0:1 / / rw shared:1",
		"1 0 0:1 / / rw -",
		"1 0 0:1 / / rw - tmpfs",
		"1 0 0:1 / / rw - tmpfs source",
		"1 0 0:1 / / rw -  source rw",
		"a 0 0:1 / / rw - t s rw",
		"-1 0 0:1 / / rw - t s rw",
		"1 x 0:1 / / rw - t s rw",
		"1 0 01 / / rw - t s rw",
		"1 0 :1 / / rw - t s rw",
		"1 0 0: / / rw - t s rw",
		"1 0 0:1x / / rw - t s rw",
		"1 0 0:4294967296 / / rw - t s rw",
		"2147483648 0 0:1 / / rw - t s rw",
		"99999999999999999999 0 0:1 / / rw - t s rw",
		"1 0 0:1  / rw - t s rw",
		"1 0 0:1 / relative rw - t s rw",
		"1 0 0:1 /  rw - t s rw",
		"1 0 0:1 / /  - t s rw",
		" 1 0 0:1 / / rw - t s rw",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *text = xasprintf("1 0 0:1 / / rw - t s rw\n%s\n", bad[i]);
		struct mount_table table = { .len = 42 };
		struct error err = ERROR_INIT;

		assert_non_null(text);
		if (mount_table_parse(text, strlen(text), &table, &err) != -EINVAL)
			fail_msg("accepted: '%s'", bad[i]);
		assert_int_equal(err.code, EINVAL);
		assert_non_null(strstr(err.message, "line 2"));
		assert_int_equal(table.len, 42); /* untouched */
	}
}

static void test_nul_byte(void **state)
{
	static const char text[] = "1 0 0:1 / /\0 rw - t s rw\n";
	struct mount_table table = MOUNT_TABLE_INIT;

	assert_int_equal(mount_table_parse(text, sizeof(text) - 1, &table, NULL), -EINVAL);
}

static void test_many(void **state)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	strbuf_puts(&text, "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
	for (int i = 0; i < 3000; i++)
		strbuf_printf(&text, "%d 1 0:%d / /var/lib/x/%d rw - overlay overlay rw\n", i + 10,
			      i, i);
	table = parse(strbuf_str(&text));
	assert_int_equal(table.len, 3001);
	assert_int_equal(mount_table_at(&table, "/var/lib/x/2999")->id, 3009);
	assert_int_equal(mount_table_covering(&table, "/var/lib/x/29990")->id, 1);
}

static void test_recorded(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = recorded("docker-host.txt");
	const struct mount_entry *pool = mount_table_at(&table, "/var/lib/berth/pool");
	const struct mount_entry *merged =
		mount_table_covering(&table, "/var/lib/docker/overlay2/4be3d7c1/merged/etc");
	_cleanup_free_ char *upper = NULL;

	assert_int_equal(table.len, 22);
	assert_string_equal(pool->source, "/dev/loop0");
	assert_true(mount_option_has(pool->super_options, "prjquota"));
	assert_string_equal(mount_table_at(&table, "/var/lib/docker")->root, "/docker");
	assert_string_equal(merged->type, "overlay");
	assert_int_equal(mount_option_get(merged->super_options, "upperdir", &upper), 0);
	assert_string_equal(upper, "/var/lib/docker/overlay2/4be3d7c1/diff");
	assert_string_equal(mount_table_at(&table, "/mnt/with space\ttab")->source, "tmp source");
	assert_string_equal(mount_table_at(&table, "/mnt/fuse")->type, "fuse.sshfs");
	assert_string_equal(mount_table_at(&table, "/mnt/bind")->root, "/srv/gone//deleted");
	assert_null(mount_table_at(&table, "/var/lib"));
	assert_null(mount_table_at(&table, "/var/lib/docker/"));
}

static void test_covering(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = recorded("docker-host.txt");

	assert_string_equal(mount_table_covering(&table, "/")->target, "/");
	assert_string_equal(mount_table_covering(&table, "/etc/passwd")->target, "/");
	assert_string_equal(mount_table_covering(&table, "/var/lib/docker")->target,
			    "/var/lib/docker");
	assert_string_equal(mount_table_covering(&table, "/var/lib/docker/x/y")->target,
			    "/var/lib/docker");
	/* A prefix of the text is not a prefix of the path. */
	assert_string_equal(mount_table_covering(&table, "/var/lib/docker-old")->target, "/");
	assert_string_equal(mount_table_covering(&table, "/run/lock/x")->target, "/run/lock");
	assert_string_equal(mount_table_covering(&table, "/run/locks")->target, "/run");
	assert_null(mount_table_covering(&table, "relative"));
	assert_null(mount_table_covering(&table, ""));
}

static void test_hidden_mounts(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = recorded("stacked.txt");

	assert_string_equal(mount_table_at(&table, "/var")->source, "third");
	assert_string_equal(mount_table_covering(&table, "/var/log")->source, "third");
	assert_string_equal(mount_table_covering(&table, "/var/lib/x")->source, "fourth");
	/* Longest in the text, but beneath the later mounts on /var. */
	assert_string_equal(mount_table_covering(&table, "/var/lib/hidden")->source, "fourth");
	assert_null(mount_table_at(&table, "/var/lib/hidden"));
}

/* What a process in a chroot sees: parents outside, no mount at its root. */
static void test_partial_table(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table =
		parse("50 40 0:1 / /proc rw - proc proc rw\n51 40 0:2 / /data rw - tmpfs a rw\n"
		      "52 51 0:3 / /data/x rw - tmpfs b rw\n");

	assert_null(mount_table_covering(&table, "/etc"));
	assert_string_equal(mount_table_covering(&table, "/data/x/y")->source, "b");
	assert_string_equal(mount_table_covering(&table, "/data/y")->source, "a");
}

/* Nothing the kernel would write; the walk must end all the same. */
static void test_loops(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = parse(
		"1 1 0:1 / / rw - a a rw\n2 1 0:1 / / rw - b b rw\n1 2 0:1 / / rw - c c rw\n");
	_cleanup_(mount_table_release) struct mount_table ring =
		parse("1 2 0:1 / / rw - a a rw\n2 1 0:1 / / rw - b b rw\n");

	assert_non_null(mount_table_covering(&table, "/x"));
	assert_null(mount_table_covering(&ring, "/x"));
}

static void test_option_has(void **state)
{
	assert_true(mount_option_has("rw,prjquota", "prjquota"));
	assert_true(mount_option_has("prjquota,rw", "prjquota"));
	assert_true(mount_option_has("rw", "rw"));
	assert_true(mount_option_has("a,loop=/dev/loop0,b", "loop=/dev/loop0"));
	assert_false(mount_option_has("rw,noprjquota", "prjquota"));
	assert_false(mount_option_has("prjquotas", "prjquota"));
	assert_false(mount_option_has("loop=/dev/loop01", "loop=/dev/loop0"));
	assert_false(mount_option_has("loop=/dev/loop0", "loop"));
	assert_false(mount_option_has("", "rw"));
	assert_false(mount_option_has(",,", "rw"));
}

static void expect_option(const char *options, const char *key, const char *value)
{
	_cleanup_free_ char *found = NULL;

	assert_int_equal(mount_option_get(options, key, &found), value ? 0 : -ENOENT);
	if (value)
		assert_string_equal(found, value);
	else
		assert_null(found);
}

static void test_option_get(void **state)
{
	expect_option("rw,upperdir=/a,workdir=/b", "upperdir", "/a");
	expect_option("rw,upperdir=/a,workdir=/b", "workdir", "/b");
	expect_option("upperdir=/a\\054b\\040c\\134d", "upperdir", "/a,b c\\d");
	expect_option("upperdir=x=y", "upperdir", "x=y");
	expect_option("upperdir=", "upperdir", "");
	expect_option("rw,userxattr", "userxattr", "");
	expect_option("upperdirs=/a,myupperdir=/b", "upperdir", NULL);
	expect_option("k=1,k=2", "k", "1");
	expect_option("", "k", NULL);
}

/* In a child with its own mounts: what the kernel really writes. Exit status: what failed. */
static int with_odd_names(void)
{
	static const char name[] = "/tmp/a b\tc\nd\\e#f,g";
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	const struct mount_entry *entry;
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 ||
	    syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    syscall(SYS_mount, "tmpfs", "/tmp", "tmpfs", 0, NULL) < 0)
		return 77;
	if (mkdir(name, 0700) < 0 || syscall(SYS_mount, "", name, "tmpfs", 0, NULL) < 0)
		return 1;
	if (mount_table_read_self(&table, NULL) < 0)
		return 2;
	entry = mount_table_at(&table, name);
	if (!entry || strcmp(entry->source, "") != 0 || strcmp(entry->type, "tmpfs") != 0)
		return 3;
	if (stat(name, &st) < 0 || st.st_dev != makedev(entry->major, entry->minor))
		return 4;
	mount_table_release(&table);
	if (syscall(SYS_mount, "over", name, "tmpfs", 0, NULL) < 0 ||
	    mount_table_read_self(&table, NULL) < 0)
		return 5;
	entry = mount_table_at(&table, name);
	return entry && strcmp(entry->source, "over") == 0 ? 0 : 6;
}

static void test_real(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(with_odd_names());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no mounting here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_read_self(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	assert_int_equal(mount_table_read_self(&table, NULL), 0);
	assert_true(table.len > 0);
	assert_non_null(mount_table_at(&table, "/proc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	      cmocka_unit_test(test_optional_fields),
		cmocka_unit_test(test_escapes),	      cmocka_unit_test(test_odd_but_valid),
		cmocka_unit_test(test_empty),	      cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_nul_byte),      cmocka_unit_test(test_many),
		cmocka_unit_test(test_recorded),      cmocka_unit_test(test_covering),
		cmocka_unit_test(test_hidden_mounts), cmocka_unit_test(test_partial_table),
		cmocka_unit_test(test_loops),	      cmocka_unit_test(test_option_has),
		cmocka_unit_test(test_option_get),    cmocka_unit_test(test_real),
		cmocka_unit_test(test_read_self),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
