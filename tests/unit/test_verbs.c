/* What is done beside a runtime's create and delete: src/sandbox/verb_create.c, verb_delete.c, creating.c. */
#include "quota_fixture.h"

#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/creating.h"
#include "sandbox/orphans.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/verbs.h"

#define BASE   100000
#define M      ((uint64_t)1 << 20)
#define POOL   "/run/pool"
#define ROOT   "/run/states"
#define BUNDLE "/run/bundle"
#define UPPER  "/run/upper"
#define ID     "3f0c5a1be94d2277"
#define OTHER  "77aa5a1be94d2277"
#define POD    "5d1e0b7a5ad4"

static struct settings settings;

/* /run and /etc are where berth-runc has its notes, and looks for Sysbox's range. */
static int group_setup(void **state)
{
	(void)state;
	may = geteuid() == 0 && own_mounts();
	settings = settings_default();
	(void)snprintf(settings.runtime, sizeof(settings.runtime), "/usr/bin/sysbox-runc");
	(void)snprintf(settings.pool, sizeof(settings.pool), "%s", POOL);
	settings.image[0] = '\0';
	return 0;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	if (!may)
		return 0;
	must_mount("none", "/run", "tmpfs", NULL);
	must_mount("none", "/etc", "tmpfs", NULL);
	put_text("/etc/subuid", "sysbox:100000:65536\n");
	put_text("/etc/subgid", "sysbox:100000:65536\n");
	make_dirs(POOL);
	must_mount("none", POOL, "tmpfs", NULL);
	make_dirs(ROOT);
	make_dirs(BUNDLE);
	make_dirs(UPPER);
	put_text(BUNDLE "/config.json", "{\"root\":{\"path\":\"" UPPER "\"}}");
	assert_ok(chown(UPPER, BASE, BASE));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!may)
		return 0;
	must_unmount(POOL);
	must_unmount("/etc");
	must_unmount("/run");
	return 0;
}

static int pool_fd(void)
{
	int fd = open(POOL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_ok(fd);
	return fd;
}

/* ---- create ---- */

static int create(void *userdata, struct error *err)
{
	(void)userdata;
	return verb_create(&settings, ROOT, ID, BUNDLE, err);
}

static uid_t owner(void)
{
	struct stat st;

	assert_ok(stat(UPPER, &st));
	return st.st_uid;
}

static const char *noted(void)
{
	static char text[256];
	ssize_t n = readlink(BUNDLE_NOTES "/" ID, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void the_first_create_heals(void **state)
{
	(void)state;
	need_mounts();
	assert_int_equal(run_child(create, NULL, 0), 0);
	assert_int_equal(owner(), 0);
	assert_string_equal(noted(), ROOT ":" BUNDLE);
	/* It has ended, and the runtime made nothing: the next one is as good. */
	assert_ok(chown(UPPER, BASE, BASE));
	assert_int_equal(run_child(create, NULL, 0), 0);
	assert_int_equal(owner(), 0);
}

static void one_that_is_there_is_left_alone(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	need_mounts();
	assert_int_equal(bundle_note(BUNDLE_NOTES, ROOT, ID, "/its/own", &err), 0);
	make_dirs(ROOT "/" ID);
	assert_int_equal(run_child(create, NULL, 0), 0);
	assert_int_equal(owner(), BASE);
	assert_string_equal(noted(), ROOT ":/its/own");
}

/* The first is the real runtime by now, and has made nothing yet that tells of it. */
static void one_that_is_being_made_is_left_alone(void **state)
{
	int told[2];
	char byte;
	pid_t pid;

	(void)state;
	need_mounts();
	assert_ok(pipe(told));
	pid = fork();
	assert_ok(pid);
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (create(NULL, &err) < 0 || write(told[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &byte, 1), 1);
	assert_int_equal(owner(), 0);
	assert_ok(chown(UPPER, BASE, BASE)); /* as sysbox-mgr does */
	assert_int_equal(run_child(create, NULL, 0), 0);
	assert_int_equal(owner(), BASE);
	assert_ok(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(run_child(create, NULL, 0), 0);
	assert_int_equal(owner(), 0);
	close(told[0]);
	close(told[1]);
}

/* ---- start ---- */

static bool came;

/* `quota reconcile`, by the record that was there before: a stopped sandbox, which has its reserve. */
static void somebody_comes(struct quota_usage *quota)
{
	if (quota->project && quota->hard == 64 * M && !came) {
		quota->hard += BUDGET_RESERVE_BYTES;
		came = true;
	}
}

static void a_start_has_the_last_word(void **state)
{
	_cleanup_fd_ int pool = -EBADF;
	struct error err = ERROR_INIT;
	struct record record;

	(void)state;
	need_mounts();
	make_dirs(POOL "/layer");
	put_text(BUNDLE "/config.json", "{\"root\":{\"path\":\"" POOL "/layer\"},\"annotations\":{\"berth.dev/disk\":\"64M\"}}");
	assert_int_equal(bundle_note(BUNDLE_NOTES, ROOT, ID, BUNDLE, &err), 0);
	came = false;
	fake_after_get = somebody_comes;
	if (verb_start(&settings, ROOT, ID, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(came);
	pool = pool_fd();
	assert_int_equal(record_read(pool, ID, &record, &err), 1);
	assert_int_equal(record.budget, 64 * M);
	assert_int_equal(fake_quota(record.project)->hard, 64 * M);
	assert_int_equal(fake_project_at(POOL "/layer"), record.project);
}

/* ---- delete ---- */

static void note(const char *id, uint32_t project)
{
	const struct record record = { .project = project, .budget = 64 * M, .running = true, .boot = record_boot() };
	_cleanup_fd_ int pool = pool_fd();
	struct error err = ERROR_INIT;

	assert_int_equal(record_write(pool, id, &record, &err), 0);
	assert_int_equal(budget_apply(pool, project, budget_make(64 * M, 8192), &err), 0);
}

static bool runs(const char *id)
{
	_cleanup_fd_ int pool = pool_fd();
	struct error err = ERROR_INIT;
	struct record record;

	assert_int_equal(record_read(pool, id, &record, &err), 1);
	return record_is_running(&record);
}

static int delete_it(void *userdata, struct error *err)
{
	return verb_delete(&settings, userdata, err);
}

static void delete_gives_the_reserve_back(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	need_mounts();
	note(ID, 7);
	assert_int_equal(bundle_note(BUNDLE_NOTES, ROOT, ID, BUNDLE, &err), 0);
	assert_int_equal(creating_begin(BUNDLE_NOTES, ROOT, ID, &err), 1);
	assert_int_equal(verb_delete(&settings, ID, &err), 0);
	assert_false(runs(ID));
	assert_int_equal(fake_quota(7)->hard, 64 * M + BUDGET_RESERVE_BYTES);
	assert_false(exists(BUNDLE_NOTES "/" ID));
	assert_false(exists(BUNDLE_NOTES "/.creating." ID));
	assert_int_equal(verb_delete(&settings, ID, &err), 0);
}

/* Of a pod's last container; wherever it was killed, the next delete ends the pod's record. */
static void a_delete_that_was_cut_off(void **state)
{
	int status = 137;

	(void)state;
	need_mounts();
	for (unsigned cut = 1; status == 137; cut++) {
		_cleanup_(pod_container_release) struct pod_container found = POD_CONTAINER_INIT;
		_cleanup_fd_ int pool = pool_fd();
		struct error err = ERROR_INIT;

		note(POD, 8);
		assert_int_equal(pod_note(pool, ID, POD, "tenants/box/app", 0, &err), 0);
		assert_int_equal(pod_note(pool, OTHER, POD, "tenants/box/side", 0, &err), 0);
		assert_int_equal(run_child(delete_it, (void *)(uintptr_t)OTHER, 0), 0);
		assert_true(runs(POD));
		status = run_child(delete_it, (void *)(uintptr_t)ID, cut);
		assert_true(status == 137 || status == 0);
		assert_int_equal(run_child(delete_it, (void *)(uintptr_t)ID, 0), 0);
		assert_false(runs(POD));
		assert_int_equal(pod_find(pool, ID, &found, &err), 0);
		assert_true(cut > 2 || status == 137);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_delete_that_was_cut_off), /* first: fault points are counted in this process, too */
		TEST(the_first_create_heals),
		TEST(one_that_is_there_is_left_alone),
		TEST(one_that_is_being_made_is_left_alone),
		TEST(a_start_has_the_last_word),
		TEST(delete_gives_the_reserve_back),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
