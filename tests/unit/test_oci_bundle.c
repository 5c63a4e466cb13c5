/* src/sandbox/bundle.c and docker_files.c: what engines and runtimes have written. */
#include "tree_fixture.h"

#include "sandbox/bundle.h"
#include "sandbox/docker_files.h"
#include "sandbox/places.h"

static char top[] = "/tmp/berth-oci-XXXXXX";

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
	make_dirs(in(top, "b"));
	make_dirs(in(top, "run/c1"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wipe(top);
	return 0;
}

static void put(const char *name, const char *text)
{
	put_text(in(top, name), text);
}

static void a_bundle(void **state)
{
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	struct error err = ERROR_INIT;

	put("b/config.json",
	    "{\"root\": {\"path\": \"rootfs\"}, \"annotations\": {\"berth.dev/disk\": \"3G\", \"x\": "
	    "\"\\\"root\\\"\"}, \"mounts\": [{\"type\": \"bind\", \"source\": \"/a\"}, {\"type\": \"none\", "
	    "\"source\": \"/b\", \"options\": [\"rbind\", \"ro\"]}, {\"type\": \"tmpfs\", \"source\": "
	    "\"/c\"}, {\"type\": \"bind\", \"source\": \"relative\"}], \"linux\": {\"uidMappings\": []}}");
	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), 0);
	assert_string_equal(bundle.rootfs, in(top, "b/rootfs"));
	assert_string_equal(bundle.disk, "3G");
	assert_false(bundle.own_mappings);
	assert_int_equal(bundle.binds.len, 2);
	assert_string_equal(bundle.binds.items[1], "/b");
}

static void of_a_pod(void **state)
{
	static const struct {
		const char *annotations, *pod, *name;
	} CASES[] = {
		{ "\"io.kubernetes.cri.sandbox-id\": \"s1\", \"io.kubernetes.cri.sandbox-namespace\": \"n\", "
		  "\"io.kubernetes.cri.sandbox-name\": \"p\", \"io.kubernetes.cri.container-type\": \"sandbox\"", "s1", "n/p" },
		{ "\"io.kubernetes.cri.sandbox-id\": \"s1\", \"io.kubernetes.cri.sandbox-namespace\": \"n\", "
		  "\"io.kubernetes.cri.sandbox-name\": \"p\", \"io.kubernetes.cri.container-name\": \"app\"", "s1", "n/p/app" },
		{ "\"io.kubernetes.cri-o.SandboxID\": \"s2\", \"io.kubernetes.pod.namespace\": \"n\", "
		  "\"io.kubernetes.pod.name\": \"p\", \"io.kubernetes.container.name\": \"POD\"", "s2", "n/p" },
		/* CRI-O passes on what a pod has of its own: nobody gets into another's sandbox by containerd's names. */
		{ "\"io.kubernetes.cri.sandbox-id\": \"stolen\", \"io.kubernetes.cri-o.SandboxID\": \"s2\", "
		  "\"io.kubernetes.pod.namespace\": \"n\", \"io.kubernetes.pod.name\": \"p\", "
		  "\"io.kubernetes.container.name\": \"app\"", "s2", "n/p/app" },
		{ "\"io.kubernetes.pod.name\": \"p\"", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
		_cleanup_free_ char *text = xasprintf("{\"root\": {\"path\": \"r\"}, \"annotations\": {%s}}",
						      CASES[i].annotations);
		struct error err = ERROR_INIT;

		put("b/config.json", text);
		assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), 0);
		assert_int_equal(bundle.pod != NULL, CASES[i].pod != NULL);
		if (bundle.pod) {
			assert_string_equal(bundle.pod, CASES[i].pod);
			assert_string_equal(bundle.pod_name, CASES[i].name);
		}
	}
}

static void mappings_of_its_own(void **state)
{
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	struct error err = ERROR_INIT;

	put("b/config.json", "{\"root\": {\"path\": \"/r\"}, \"linux\": {\"uidMappings\": [{\"size\": 1}]}}");
	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), 0);
	assert_true(bundle.own_mappings);
	assert_null(bundle.disk);
	assert_string_equal(bundle.rootfs, "/r");
}

static void bundles_that_are_refused(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *says;
	} TABLE[] = {
		{ "", -EINVAL, "config.json" },
		{ "{", -EINVAL, "config.json" },
		{ "[]", -EINVAL, "names no root.path" },
		{ "{}", -EINVAL, "names no root.path" },
		{ "{\"root\": \"x\"}", -EINVAL, "names no root.path" },
		{ "{\"root\": {\"path\": 5}}", -EINVAL, "names no root.path" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
		struct error err = ERROR_INIT;

		put("b/config.json", TABLE[i].text);
		assert_true(bundle_read(in(top, "b"), &bundle, &err) < 0);
		if (!strstr(err.message, TABLE[i].says))
			fail_msg("'%s' says '%s'", TABLE[i].text, err.message);
		assert_null(bundle.rootfs);
	}
}

static void files_that_are_none(void **state)
{
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), -ENOENT);
	put("elsewhere", "{\"root\": {\"path\": \"/r\"}}");
	assert_ok(symlink(in(top, "elsewhere"), in(top, "b/config.json")));
	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), -ELOOP);
	assert_ok(unlink(in(top, "b/config.json")));
	assert_ok(mkfifo(in(top, "b/config.json"), 0600));
	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), -EINVAL);
	assert_ok(unlink(in(top, "b/config.json")));
	put_file(in(top, "b/config.json"), ((size_t)4 << 20) + 1, 0600);
	assert_int_equal(bundle_read(in(top, "b"), &bundle, &err), -EFBIG);
	assert_null(bundle.rootfs);
}

static void found_by_the_runtimes_state(void **state)
{
	_cleanup_free_ char *path = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(bundle_find(in(top, "notes"), in(top, "run"), "none", &path, &err), 0);
	put("run/c1/state.json", "{\"id\": \"c1\", \"config\": {\"labels\": [\"bundle=/from/an/annotation\", "
				 "\"x=bundle=/no\", \"bundle=/run/b\"]}}");
	assert_int_equal(bundle_find(in(top, "notes"), in(top, "run"), "c1", &path, &err), 1);
	assert_string_equal(path, "/run/b");
	put("run/c1/state.json", "{\"config\": {\"labels\": [\"bundle=relative\"]}}");
	assert_int_equal(bundle_find(in(top, "notes"), in(top, "run"), "c1", &path, &err), -EINVAL);
	put("run/c1/state.json", "{\"config\": 5}");
	assert_int_equal(bundle_find(in(top, "notes"), in(top, "run"), "c1", &path, &err), -EINVAL);
	put("run/c1/state.json", "{\"con");
	assert_int_equal(bundle_find(in(top, "notes"), in(top, "run"), "c1", &path, &err), -EINVAL);
}

static void found_by_the_note_of_its_create(void **state)
{
	_cleanup_free_ char *path = NULL, *other = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(bundle_note(in(top, "deep/notes"), "/root/a", "c1", "/run/b", &err), 0);
	assert_int_equal(bundle_note(in(top, "deep/notes"), "/root/a", "c1", "/run/c", &err), 0);
	assert_int_equal(bundle_find(in(top, "deep/notes"), "/root/a", "c1", &path, &err), 1);
	assert_string_equal(path, "/run/c");
	/* Another root's container of that name, and one that is a beginning of it. */
	assert_int_equal(bundle_find(in(top, "deep/notes"), "/root/b", "c1", &other, &err), 0);
	assert_int_equal(bundle_find(in(top, "deep/notes"), "/root", "c1", &other, &err), 0);
	bundle_forget(in(top, "deep/notes"), "c1");
	assert_int_equal(bundle_find(in(top, "deep/notes"), "/root/a", "c1", &other, &err), 0);
}

static void dockers_own_files(void **state)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(docker_has_container(top, "c1", &err), -ENODATA);
	make_dirs(in(top, "containers/c1"));
	assert_int_equal(docker_has_container(top, "c1", &err), 1);
	assert_int_equal(docker_has_container(top, "c2", &err), 0);
	assert_int_equal(docker_files_read(top, "c1", &files, &err), 0);
	put("containers/c1/config.v2.json",
	    "{\"Name\": \"/box\", \"State\": {\"Running\": true}, \"Config\": {\"Labels\": "
	    "{\"berth.dev/disk\": \"300M\"}}, \"MountPoints\": {\"/a\": {\"Type\": \"volume\", \"Name\": "
	    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}, \"/b\": {\"Type\": "
	    "\"volume\", \"Name\": \"named\"}, \"/c\": {\"Type\": \"bind\"}}}");
	put("containers/c1/hostconfig.json", "{\"StorageOpt\": {\"size\": \"1G\"}}");
	assert_int_equal(docker_files_read(top, "c1", &files, &err), 1);
	assert_string_equal(files.name, "box");
	assert_string_equal(files.disk, "300M");
	assert_string_equal(files.size, "1G");
	assert_true(files.running);
	assert_int_equal(files.anonymous_volumes, 1);
	docker_files_release(&files);
	put("containers/c1/hostconfig.json", "{\"StorageOpt\": null}");
	put("containers/c1/config.v2.json", "{\"Config\": {\"Labels\": null}}");
	assert_int_equal(docker_files_read(top, "c1", &files, &err), 1);
	assert_null(files.size);
	assert_null(files.disk);
	put("containers/c1/config.v2.json", "{\"Config\": {\"La");
	assert_true(docker_files_read(top, "c1", &files, &err) < 0);
}

#define IMAGE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Docker gives a container its image's labels: one that the image has is its maker's wish, not the operator's. */
static void labels_of_an_image(void **state)
{
	static const struct {
		const char *label, *of_image, *disk;
	} CASES[] = {
		{ "900T", "{\"config\": {\"Labels\": {\"berth.dev/disk\": \"900T\"}}}", NULL },
		{ "20G", "{\"config\": {\"Labels\": {\"berth.dev/disk\": \"900T\"}}}", "20G" },
		{ "20G", "{\"config\": {\"Labels\": null}}", "20G" },
		{ "20G", NULL, NULL },
	};

	make_dirs(in(top, "containers/c1"));
	make_dirs(in(top, "image/overlay2/imagedb/content/sha256"));
	put("containers/c1/hostconfig.json", "{}");
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
		_cleanup_free_ char *text = xasprintf("{\"Image\": \"sha256:" IMAGE "\", \"Driver\": \"overlay2\", \"Config\": "
						      "{\"Labels\": {\"berth.dev/disk\": \"%s\"}}}", CASES[i].label);
		struct error err = ERROR_INIT;

		put("containers/c1/config.v2.json", text);
		(void)unlink(in(top, "image/overlay2/imagedb/content/sha256/" IMAGE));
		if (CASES[i].of_image)
			put("image/overlay2/imagedb/content/sha256/" IMAGE, CASES[i].of_image);
		assert_int_equal(docker_files_read(top, "c1", &files, &err), 1);
		if (!files.disk != !CASES[i].disk || (files.disk && strcmp(files.disk, CASES[i].disk) != 0))
			fail_msg("case %zu gives %s", i, files.disk ? files.disk : "none");
	}
}

static const char MOUNTS[] =
	"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	"30 21 7:0 / /pool rw - xfs /dev/loop0 rw,prjquota\n"
	"31 21 7:0 /docker /var/lib/docker rw - xfs /dev/loop0 rw,prjquota\n"
	"32 31 0:50 / /var/lib/docker/overlay2/L1/merged rw - overlay overlay "
	"rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/L1/diff,workdir=/var/lib/docker/overlay2/L1/work\n"
	"33 31 0:51 / /var/lib/docker/overlay2/L2/merged rw - overlay overlay "
	"rw,lowerdir=l/A:l/B,upperdir=L2/diff,workdir=L2/work\n"
	"34 31 0:52 / /var/lib/docker/overlay2/L3/merged ro - overlay overlay ro,lowerdir=/a:/b\n";

static void read_mounts(struct mount_table *table)
{
	struct error err = ERROR_INIT;

	assert_int_equal(mount_table_parse(MOUNTS, sizeof(MOUNTS) - 1, table, &err), 0);
}

static void layers(void **state)
{
	static const struct {
		const char *rootfs, *upper, *work, *dir;
	} TABLE[] = {
		{ "/var/lib/docker/overlay2/L1/merged", "/var/lib/docker/overlay2/L1/diff",
		  "/var/lib/docker/overlay2/L1/work", "/var/lib/docker/overlay2/L1" },
		{ "/var/lib/docker/overlay2/L2/merged", "/var/lib/docker/overlay2/L2/diff",
		  "/var/lib/docker/overlay2/L2/work", "/var/lib/docker/overlay2/L2" },
		{ "/var/lib/docker/overlay2/L3/merged", NULL, NULL, NULL },
		{ "/var/lib/docker/vfs/dir/x", "/var/lib/docker/vfs/dir/x", NULL, "/var/lib/docker/vfs/dir" },
	};
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	read_mounts(&table);
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(layer_release) struct layer layer = LAYER_INIT;
		struct error err = ERROR_INIT;

		assert_int_equal(layer_find(&table, TABLE[i].rootfs, &layer, &err), 0);
		assert_string_equal(layer.upper ? layer.upper : "-", TABLE[i].upper ? TABLE[i].upper : "-");
		assert_string_equal(layer.work ? layer.work : "-", TABLE[i].work ? TABLE[i].work : "-");
		assert_string_equal(layer.dir ? layer.dir : "-", TABLE[i].dir ? TABLE[i].dir : "-");
	}
}

static void paths_on_the_pool(void **state)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_free_ char *below = NULL, *all = NULL;
	struct error err = ERROR_INIT;
	char *none = NULL;

	read_mounts(&table);
	assert_int_equal(pool_path(&table, "/pool", "/var/lib/docker/overlay2/L1/diff", &below, &err), 0);
	assert_string_equal(below, "docker/overlay2/L1/diff");
	assert_int_equal(pool_path(&table, "/pool", "/pool", &all, &err), 0);
	assert_string_equal(all, ".");
	assert_int_equal(pool_path(&table, "/pool", "/etc", &none, &err), -EXDEV);
	assert_non_null(strstr(err.message, "'/etc' is not on the pool '/pool'"));
	/* An overlay has a number of its own. */
	assert_int_equal(pool_path(&table, "/pool", "/var/lib/docker/overlay2/L1/merged/x", &none, &err),
			 -EXDEV);
	assert_int_equal(pool_path(&table, "/other", "/etc", &none, &err), -ENODEV);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_bundle), TEST(of_a_pod), TEST(mappings_of_its_own),	 TEST(bundles_that_are_refused),
		TEST(files_that_are_none), TEST(found_by_the_runtimes_state), TEST(found_by_the_note_of_its_create), TEST(dockers_own_files),
		TEST(files_that_are_none), TEST(found_by_the_runtimes_state), TEST(found_by_the_note_of_its_create), TEST(labels_of_an_image),
		TEST(layers),		   TEST(paths_on_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
