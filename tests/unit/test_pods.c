/* Pods as sandboxes: src/sandbox/pods.c, and what of a pod src/sandbox/places.c finds on the pool. */
#include "tree_fixture.h"

#include "sandbox/places.h"
#include "sandbox/pods.h"
#include "sandbox/project.h"
#include "sandbox/record.h"
#include "sandbox/running.h"

#define POD "5d1e0b7a5ad4"
#define APP "a1b2c3d4e5f6"

static char top[] = "/tmp/berth-pods-XXXXXX";
static int pool = -EBADF;

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
	make_dirs(in(top, "sysbox/docker/" APP));
	make_dirs(in(top, "sysbox/kubelet/" APP));
	make_dirs(in(top, "sysbox/docker/" POD));
	pool = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return pool < 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_closep(&pool);
	wipe(top);
	return 0;
}

static void notes(void **state)
{
	_cleanup_(pod_containers_release) struct pod_containers list = POD_CONTAINERS_INIT;
	_cleanup_(pod_container_release) struct pod_container found = POD_CONTAINER_INIT;
	_cleanup_free_ char *name = NULL, *alone = NULL, *none = NULL;
	struct error err = ERROR_INIT;

	assert_int_equal(pod_find(pool, APP, &found, &err), 0);
	assert_int_equal(pod_note(pool, APP, POD, "tenants/box/app", 0, &err), 0);
	assert_int_equal(pod_note(pool, "side1", POD, "tenants/box/side", 0, &err), 0);
	assert_int_equal(pod_note(pool, POD, POD, "tenants/box", 0, &err), 0);
	assert_int_equal(pod_note(pool, "other", "other", "tenants/other", 0, &err), 0);
	assert_int_equal(pod_note(pool, APP, POD, "tenants/box/app", 0, &err), 0); /* once more */
	assert_int_equal(pod_find(pool, APP, &found, &err), 1);
	assert_string_equal(found.sandbox, POD);
	assert_string_equal(found.name, "tenants/box/app");
	assert_int_equal(pod_containers_read(pool, &list, &err), 0);
	assert_int_equal(list.len, 4);
	name = pod_name(&list, POD);
	assert_string_equal(name, "tenants/box/app,side");
	alone = pod_name(&list, "other");
	assert_string_equal(alone, "tenants/other");
	none = pod_name(&list, APP);
	assert_null(none);
	pod_forget(pool, APP);
	pod_forget(pool, APP);
	assert_int_equal(pod_find(pool, APP, &found, &err), 0);
}

static bool is_stranded(uint64_t mgr)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(running_under_others(pool, mgr, &ids, &err), 0);
	return ids.len == 1;
}

/* As `start` leaves it. */
static void start_one(const char *id, const char *name, uint64_t mgr)
{
	const struct record record = { .project = 7, .running = true, .boot = record_boot(), .mgr = mgr };
	struct error err = ERROR_INIT;

	assert_int_equal(pod_note(pool, id, POD, name, mgr, &err), 0);
	assert_int_equal(record_write(pool, POD, &record, &err), 0);
}

/* Sysbox restarted under a pod of two: it is stranded until both have been started anew. */
static void stranded_while_any_container_is(void **state)
{
	_cleanup_(pod_container_release) struct pod_container found = POD_CONTAINER_INIT;
	struct error err = ERROR_INIT;

	start_one(POD, "tenants/box", 1);
	start_one("app1", "tenants/box/app", 1);
	start_one("side1", "tenants/box/side", 1);
	assert_false(is_stranded(1));
	assert_false(is_stranded(0)); /* no sysbox-mgr tells */
	assert_true(is_stranded(2));
	start_one("app2", "tenants/box/app", 2); /* CRI-O has kept the one that ended */
	assert_true(is_stranded(2));
	pod_forget(pool, "app1");
	assert_true(is_stranded(2));
	start_one("side2", "tenants/box/side", 2);
	assert_false(is_stranded(2));
	assert_true(is_stranded(3));
	/* Of an older berth's notes nothing is known but the pod's last start. */
	assert_int_equal(pod_note(pool, "side2", POD, "tenants/box/side", 0, &err), 0);
	assert_false(is_stranded(2));
	assert_int_equal(pod_find(pool, "app2", &found, &err), 1);
	assert_string_equal(found.name, "tenants/box/app");
	assert_int_equal(found.mgr, 2);
}

/* A mount table with the pool at /p, and an overlay for the root file system. */
static void table_of(const char *upper, struct mount_table *ret)
{
	_cleanup_free_ char *text = xasprintf(
		"1 0 8:1 / / rw - ext4 /dev/vda rw\n"
		"2 1 7:0 / /p rw - xfs /dev/loop0 rw,prjquota\n"
		"3 1 7:0 /kubelet /var/lib/kubelet rw - xfs /dev/loop0 rw,prjquota\n"
		"4 1 7:0 /containerd /var/lib/containerd rw - xfs /dev/loop0 rw,prjquota\n"
		"5 3 0:50 / /var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/memory rw - tmpfs tmpfs rw\n"
		"7 3 7:0 /kubelet/pods/u1/volumes/kubernetes.io~empty-dir/part/a/b /var/lib/kubelet/pods/u1/volume-subpaths/part/app/0 "
		"rw - xfs /dev/loop0 rw\n"
		"8 3 7:0 /kubelet/pods/u2/volumes/kubernetes.io~empty-dir/part /var/lib/kubelet/pods/u1/volume-subpaths/other/app/0 "
		"rw - xfs /dev/loop0 rw\n"
		"6 1 0:40 / /run/b/rootfs rw - overlay overlay rw,lowerdir=/l,upperdir=%s/fs,workdir=%s/work\n",
		upper, upper);
	struct error err = ERROR_INIT;

	assert_int_equal(mount_table_parse(text, strlen(text), ret, &err), 0);
}

static struct settings settings_of_pods(void)
{
	struct settings settings = settings_default();

	memcpy(settings.pool, "/p", 3);
	memcpy(settings.kubelet, "/var/lib/kubelet", 17);
	settings.engine[0] = '\0';
	return settings;
}

static void find(const char *upper, const char *const *binds, struct places *ret)
{
	static char pod[] = POD, rootfs[] = "/run/b/rootfs";
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	struct settings settings = settings_of_pods();
	struct bundle bundle = { .pod = pod, .rootfs = rootfs };
	struct error err = ERROR_INIT;

	for (; *binds; binds++)
		assert_int_equal(strv_add(&bundle.binds, *binds), 0);
	table_of(upper, &table);
	if (places_find(&table, pool, &settings, APP, &bundle, ret, &err) < 0)
		fail_msg("%s", err.message);
	strv_release(&bundle.binds);
}

static void check(const struct places *places, size_t i, enum place_kind kind, const char *path)
{
	assert_true(i < places->len);
	if (places->items[i].kind != kind || strcmp(places->items[i].path, path) != 0)
		fail_msg("place %zu is '%s', kind %d", i, places->items[i].path, places->items[i].kind);
}

static void everything_on_the_pool(void **state)
{
	static const char *const BINDS[] = {
		"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data",
		"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/memory", /* a tmpfs */
		"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data/below",
		"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~secret/token",
		"/var/lib/kubelet/pods/u1/volumes/kubernetes.io~csi/pvc/mount",
		"/var/lib/kubelet/pods/u1/etc-hosts",
		"/var/lib/kubelet/pods/u1/containers/app/0a1b2c3d",
		"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/" POD "/hostname",
		"/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/another/hostname",
		"/var/lib/containerd/io.containerd.grpc.v1.cri/containers/" APP "/volumes/0a1b", /* VOLUME of the image */
		"/var/lib/containerd/io.containerd.grpc.v1.cri/containers/" APP "/volumes",
		"/var/lib/containerd/io.containerd.grpc.v1.cri/containers/another/volumes/0a1b",
		"/p/projects", /* a hostPath */
		"/var/lib/kubelet/pods/u1/volume-subpaths/part/app/0", /* subPath: a/b */
		"/var/lib/kubelet/pods/u1/volume-subpaths/other/app/0", /* of another pod's, which kubelet does not do */
		"/var/lib/kubelet/pods/u1/volume-subpaths",
		"/var/lib/kubelet", NULL,
	};
	_cleanup_(places_release) struct places places = PLACES_INIT;

	find("/var/lib/containerd/snapshots/7", BINDS, &places);
	check(&places, 0, PLACE_LAYER, "containerd/snapshots/7/fs");
	check(&places, 1, PLACE_WORK, "containerd/snapshots/7/work");
	check(&places, 2, PLACE_INNER, "sysbox/docker/" APP);
	check(&places, 3, PLACE_INNER, "sysbox/kubelet/" APP);
	check(&places, 4, PLACE_VOLUME, "kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data");
	check(&places, 5, PLACE_FILE, "kubelet/pods/u1/etc-hosts");
	check(&places, 6, PLACE_FILE, "kubelet/pods/u1/containers/app/0a1b2c3d");
	check(&places, 7, PLACE_FILE,
	      "containerd/io.containerd.grpc.v1.cri/sandboxes/" POD "/hostname");
	check(&places, 8, PLACE_VOLUME, "containerd/io.containerd.grpc.v1.cri/containers/" APP "/volumes/0a1b");
	check(&places, 9, PLACE_VOLUME, "kubelet/pods/u1/volumes/kubernetes.io~empty-dir/part");
	assert_int_equal(places.len, 10);
	assert_null(places.layer_dir);
}

/* The engine's storage is elsewhere: what Sysbox keeps is bounded all the same. */
static void only_what_sysbox_keeps(void **state)
{
	static const char *const NONE[] = { NULL };
	_cleanup_(places_release) struct places places = PLACES_INIT;

	find("/srv/containerd/snapshots/7", NONE, &places);
	check(&places, 0, PLACE_INNER, "sysbox/docker/" APP);
	assert_int_equal(places.len, 2);
}

static void who_exists(void **state)
{
	struct settings settings = settings_of_pods();
	struct record record = { .project = 5, .running = true, .boot = record_boot() };
	struct error err = ERROR_INIT;

	/* Without Docker nothing is kept for want of its files. */
	assert_int_equal(project_owner_exists(&settings, pool, "unknown", &err), 0);
	assert_int_equal(record_write(pool, POD, &record, &err), 0);
	assert_int_equal(pod_note(pool, APP, POD, "tenants/box/app", 0, &err), 0);
	assert_int_equal(project_owner_exists(&settings, pool, POD, &err), 1);
	assert_int_equal(project_owner_exists(&settings, pool, APP, &err), 1);
	record.running = false;
	assert_int_equal(record_write(pool, POD, &record, &err), 0);
	assert_int_equal(project_owner_exists(&settings, pool, POD, &err), 0);
	assert_int_equal(project_owner_exists(&settings, pool, APP, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(notes, setup, teardown),
		cmocka_unit_test_setup_teardown(stranded_while_any_container_is, setup, teardown),
		cmocka_unit_test_setup_teardown(everything_on_the_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(only_what_sysbox_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(who_exists, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
