#include "tree_fixture.h"

#include <signal.h>

#include "change/docker_data.h"
#include "sys/inode_map.h"
#include "change/mounted.h"
#include "change/tree.h"

static struct host host;

static const char *real(const char *path)
{
	return in(host.root, path);
}

/* ---- inode map ---- */

static void test_inode_map(void **state)
{
	_cleanup_(inode_map_release) struct inode_map map = INODE_MAP_INIT;
	struct inode_id found;

	(void)state;
	for (ino_t i = 0; i < 5000; i++)
		assert_int_equal(inode_map_add(&map, (struct inode_id){ i % 3, i },
					       (struct inode_id){ 9, i + 1 }, NULL),
				 1);
	for (ino_t i = 0; i < 5000; i++) {
		assert_int_equal(inode_map_add(&map, (struct inode_id){ i % 3, i },
					       (struct inode_id){ 8, 8 }, &found),
				 0);
		assert_true(inode_id_equal(found, (struct inode_id){ 9, i + 1 }));
	}
}

/* ---- usage, content, removal ---- */

static void test_usage_counts_once_and_no_holes(void **state)
{
	struct tree_usage before, after;
	struct error err = ERROR_INIT;

	(void)state;
	make_dirs(real("u/d"));
	put_file(real("u/file"), 1 << 20, 0600);
	sync();
	assert_int_equal(tree_usage(&host, "/u", &before, &err), 0);
	assert_in_range(before.bytes, 1 << 20, (1 << 20) + 65536);
	assert_int_equal(before.inodes, 3);
	assert_ok(link(real("u/file"), real("u/d/again")));
	put_file(real("u/hole"), 0, 0600);
	assert_ok(truncate(real("u/hole"), (off_t)1 << 30));
	assert_int_equal(tree_usage(&host, "/u", &after, &err), 0);
	assert_in_range(after.bytes, before.bytes, before.bytes + 65536);
	assert_int_equal(after.inodes, 4);
	assert_int_equal(tree_usage(&host, "/not-there", &after, &err), -ENOENT);
}

/* A directory that is now here, now there. */
static void churn(const char *dir)
{
	for (;;) {
		(void)rename(in(dir, "here/d"), in(dir, "there/d"));
		(void)rename(in(dir, "there/d"), in(dir, "here/d"));
		(void)usleep(100);
	}
}

/* A running daemon's: what is moved away under our feet is no error. */
static void test_usage_of_a_changing_tree(void **state)
{
	const char *dir = real("changing");
	struct error err = ERROR_INIT;
	struct tree_usage usage;
	pid_t pid;

	(void)state;
	make_dirs(in(dir, "here/d/e/f/g"));
	make_dirs(in(dir, "there"));
	pid = fork();
	assert_ok(pid);
	if (pid == 0)
		churn(dir);
	for (int i = 0; i < 3000; i++) {
		if (tree_usage(&host, "/changing", &usage, &err) < 0) {
			(void)kill(pid, SIGKILL);
			fail_msg("%s", err.message);
		}
	}
	assert_ok(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_content(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	make_dirs(real("c/full"));
	assert_int_equal(tree_content(&host, "/c", &err), TREE_FULL);
	assert_int_equal(tree_content(&host, "/c/full", &err), TREE_EMPTY);
	assert_int_equal(tree_content(&host, "/c/none", &err), TREE_ABSENT);
	assert_ok(symlink("full", real("c/link")));
	assert_int_equal(tree_content(&host, "/c/link", &err), -ENOTDIR);
	assert_non_null(strstr(err.message, "symbolic link"));
}

static void test_remove_everything(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	make_dirs(real("r"));
	make_dirs(real("kept"));
	put_file(real("kept/file"), 1, 0600);
	fixture_build(real("r/tree"));
	assert_ok(symlink("../../kept", real("r/tree/out")));
	assert_int_equal(tree_remove(&host, "/r/tree", &err), 0);
	assert_false(exists(real("r/tree")));
	assert_true(exists(real("kept/file")));
	assert_int_equal(tree_remove(&host, "/r/tree", &err), 0);
}

/* Deeper than any path name may be long, and than descriptors there are. */
static void test_remove_deep(void **state)
{
	struct error err = ERROR_INIT;
	struct tree_usage usage;
	int fd, next;

	(void)state;
	make_dirs(real("deep"));
	fd = open(real("deep"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		assert_ok(mkdirat(fd, "directory", 0700));
		next = openat(fd, "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_ok(next);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(tree_usage(&host, "/deep", &usage, &err), 0);
	assert_int_equal(usage.inodes, 3001);
	if (tree_remove(&host, "/deep", &err) < 0)
		fail_msg("%s", err.message);
	assert_false(exists(real("deep")));
}

/* In the private mount namespace of group_setup. */
static void test_mounts_stop_removal(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_free_ char *where = NULL;
	struct tree_usage usage;

	if (!*(bool *)*state) {
		print_message("skipped: may not mount here\n");
		skip();
	}
	make_dirs(real("mounts/a/here"));
	make_dirs(real("other"));
	put_file(real("other/file"), 1 << 20, 0600);
	put_file(real("mounts/first"), 1, 0600);
	/* A bind mount of the same file system: no device number gives it away. */
	must_mount(real("other"), real("mounts/a/here"), NULL, NULL);
	assert_int_equal(mounted_at(&host, "/mounts/a/here", &err), 1);
	assert_int_equal(mounted_at(&host, "/mounts/a", &err), 0);
	assert_int_equal(mounted_below(&host, "/mounts", &where, &err), 1);
	assert_string_equal(where, real("mounts/a/here"));
	assert_int_equal(tree_remove(&host, "/mounts", &err), -EBUSY);
	assert_non_null(strstr(err.message, "mounts/a/here"));
	assert_true(exists(real("mounts/first")));
	assert_true(exists(real("other/file")));
	assert_int_equal(tree_usage(&host, "/mounts", &usage, &err), 0);
	assert_true(usage.bytes < 1 << 20);
	must_unmount(real("mounts/a/here"));
	assert_int_equal(mounted_at(&host, "/mounts/a/here", &err), 0);
	assert_int_equal(tree_remove(&host, "/mounts", &err), 0);
}

/* ---- comparison ---- */

struct mutation {
	void (*change)(const char *dir);
	const char *path, *says;
	bool root_only;
};

static void flip(const char *dir)
{
	put_byte(in(dir, "plain"), 200000, 'Z');
	fixture_times(dir);
}

static void flip_in_hole(const char *dir)
{
	put_byte(in(dir, "sparse"), 4 << 20, 1);
	fixture_times(dir);
}

static void longer(const char *dir)
{
	put_file(in(dir, "upper/a/three"), 4097, 0600);
	fixture_times(dir);
}

static void other_mode(const char *dir)
{
	assert_ok(chmod(in(dir, "upper/a/b"), 0511));
}

static void other_owner(const char *dir)
{
	assert_ok(lchown(in(dir, "link"), 100000, 100001));
}

static void touched(const char *dir)
{
	assert_ok(utimensat(AT_FDCWD, in(dir, "fifo"), NULL, 0));
}

static void touched_top(const char *dir)
{
	assert_ok(utimensat(AT_FDCWD, dir, NULL, 0));
}

static void retarget(const char *dir)
{
	assert_ok(unlink(in(dir, "link")));
	assert_ok(symlink("/nowhere/at_all", in(dir, "link")));
	if (geteuid() == 0)
		assert_ok(lchown(in(dir, "link"), 100000, 100000));
	(void)lsetxattr(in(dir, "link"), "trusted.overlay.origin", "\0\373!x", 4, 0);
	fixture_times(dir);
}

static void other_device(const char *dir)
{
	assert_ok(unlink(in(dir, "upper/whiteout")));
	assert_ok(mknod(in(dir, "upper/whiteout"), S_IFCHR, 1));
	fixture_times(dir);
}

static void no_xattr(const char *dir)
{
	assert_ok(removexattr(in(dir, "plain"), "user.note"));
}

static void other_xattr(const char *dir)
{
	assert_ok(setxattr(in(dir, "plain"), "user.note", "a\0c", 3, 0));
}

static void no_link_xattr(const char *dir)
{
	assert_ok(lremovexattr(in(dir, "link"), "trusted.overlay.origin"));
}

static void no_acl(const char *dir)
{
	assert_ok(removexattr(in(dir, "upper"), "system.posix_acl_default"));
}

static void unlinked(const char *dir)
{
	assert_ok(unlink(in(dir, "upper/two")));
	put_file(in(dir, "upper/two"), 4096, 0600);
	fixture_times(dir);
}

static void linked(const char *dir)
{
	assert_ok(unlink(in(dir, " blank ")));
	assert_ok(link(in(dir, "new\nline"), in(dir, " blank ")));
	fixture_times(dir);
}

static void missing(const char *dir)
{
	assert_ok(unlink(in(dir, "-rf/\xff\xfe not utf-8")));
	fixture_times(dir);
}

static void one_more(const char *dir)
{
	put_file(in(dir, "upper/a/more"), 1, 0600);
	fixture_times(dir);
}

static void other_type(const char *dir)
{
	assert_ok(unlink(in(dir, "empty")));
	assert_ok(mkdir(in(dir, "empty"), 0444));
	fixture_times(dir);
}

static const struct mutation MUTATIONS[] = {
	{ flip, "'plain'", "content differs in the 128 KiB from byte 131072 on", false },
	{ flip_in_hole, "'sparse'", "content differs", false },
	{ longer, "'one'", "size is 4097, not 4096", false },
	{ other_mode, "'upper/a/b'", "mode is 0511, not 0", false },
	{ other_owner, "'link'", "owner is 100000:100001, not 100000:100000", true },
	{ touched, "'fifo'", "time of last change", false },
	{ touched_top, "'.'", "time of last change", false },
	{ retarget, "'link'", "points elsewhere", false },
	{ other_device, "'upper/whiteout'", "device number is 0:1, not 0:0", true },
	{ no_xattr, "'plain'", "extended attribute user.note", false },
	{ other_xattr, "'plain'", "extended attribute user.note", false },
	{ no_link_xattr, "'link'", "extended attribute trusted.overlay.origin", true },
	{ no_acl, "'upper'", "extended attribute system.posix_acl_default", false },
	{ unlinked, "'upper/two'", "no longer a hard link", false },
	{ linked, "'new\\x0aline'", "became a hard link", false },
	{ missing, "'-rf/\\xff\\xfe\\x20not\\x20utf-8'", "missing", false },
	{ one_more, "'upper/a/more'", "only there", false },
	{ other_type, "'empty'", "another type", false },
};

static void test_compare_finds(void **state)
{
	(void)state;
	make_dirs(real("cmp"));
	fixture_build(real("cmp/a"));
	for (size_t i = 0; i < ARRAY_SIZE(MUTATIONS); i++) {
		struct error err = ERROR_INIT;

		if ((MUTATIONS[i].root_only && geteuid() != 0) ||
		    (strstr(MUTATIONS[i].says, "attribute") && !can_xattr(real("cmp"), "user.t"))) {
			print_message("not tried, no root or no attributes here: %s\n",
				      MUTATIONS[i].says);
			continue;
		}
		wipe(real("cmp/b"));
		fixture_build(real("cmp/b"));
		assert_same(real("cmp/a"), real("cmp/b"));
		MUTATIONS[i].change(real("cmp/b"));
		assert_int_equal(compare_paths(real("cmp/a"), real("cmp/b"), &err), -EBADMSG);
		if (!strstr(err.message, MUTATIONS[i].path) ||
		    !strstr(err.message, MUTATIONS[i].says))
			fail_msg("mutation %zu: %s", i, err.message);
	}
}

/* ---- Docker's directory ---- */

static void test_docker_data(void **state)
{
	struct data_summary found = { .images = 7 };

	(void)state;
	assert_int_equal(docker_data_present(&host, "/docker", &found), 0);
	assert_int_equal(found.images + found.bytes, 0);
	assert_int_equal(docker_data_is_skeleton(&host, "/docker"), 0);
	make_dirs(real("docker/containers"));
	make_dirs(real("docker/volumes"));
	make_dirs(real("docker/overlay2/l"));
	make_dirs(real("docker/plugins/tmp"));
	make_dirs(real("docker/swarm"));
	make_dirs(real("docker/image/overlay2/imagedb/content/sha256"));
	put_file(real("docker/volumes/metadata.db"), 32768, 0600);
	assert_int_equal(docker_data_present(&host, "/docker", &found), 0);
	assert_int_equal(docker_data_is_skeleton(&host, "/docker"), 1);
	assert_true(found.bytes > 0);
	put_file(real("docker/image/overlay2/imagedb/content/sha256/abc"), 10, 0600);
	make_dirs(real("docker/volumes/v1/_data"));
	make_dirs(real("docker/containers/c1"));
	make_dirs(real("docker/containers/c2"));
	assert_int_equal(docker_data_present(&host, "/docker", &found), 1);
	assert_int_equal(found.images, 1);
	assert_int_equal(found.containers, 2);
	assert_int_equal(found.volumes, 1);
	assert_int_equal(docker_data_is_skeleton(&host, "/docker"), 0);
}

static void test_not_a_skeleton(void **state)
{
	static const char *const EXTRA[] = {
		"containers/c", "volumes/v", "overlay2/layer", "swarm/state.json",
		"plugins/p",	"kubelet",   "my notes",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXTRA); i++) {
		wipe(real("sk"));
		make_dirs(real("sk/containers"));
		make_dirs(real("sk/volumes"));
		make_dirs(real("sk/image"));
		assert_int_equal(docker_data_is_skeleton(&host, "/sk"), 1);
		make_dirs(in(real("sk"), EXTRA[i]));
		assert_int_equal(docker_data_is_skeleton(&host, "/sk"), 0);
	}
	/* Sysbox keeps the same names for tenants' data. */
	wipe(real("sk"));
	make_dirs(real("sk/buildkit"));
	assert_int_equal(docker_data_is_skeleton(&host, "/sk"), 0);
}

static int group_setup(void **state)
{
	static bool may_mount;

	may_mount = own_mounts();
	*state = &may_mount;
	host_build(&host, NULL);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	wipe(host.root);
	host_release(&host);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inode_map),
		cmocka_unit_test(test_usage_counts_once_and_no_holes),
		cmocka_unit_test(test_usage_of_a_changing_tree),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_remove_everything),
		cmocka_unit_test(test_remove_deep),
		cmocka_unit_test(test_mounts_stop_removal),
		cmocka_unit_test(test_compare_finds),
		cmocka_unit_test(test_docker_data),
		cmocka_unit_test(test_not_a_skeleton),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
