/* Sandboxes and their budgets as somebody has changed them: src/sandbox/reconcile.c, drift.c, list.c. */
#include "quota_fixture.h"

#include "quota/budget.h"
#include "sandbox/adjust.h"
#include "sandbox/bundle.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/reconcile.h"

#define M	((uint64_t)1 << 20)
#define POOL	"/run/pool"
#define ENGINE	POOL "/docker"
#define VOLUME	"volumes/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/_data"
#define ONE	"1111aaaa"
#define TWO	"1111bbbb"
#define THREE	"3333cccc"
#define TOLD_MAX 4096

static struct settings settings;
static int pool = -EBADF;

static int group_setup(void **state)
{
	(void)state;
	may = geteuid() == 0 && own_mounts();
	settings = settings_default();
	(void)snprintf(settings.pool, sizeof(settings.pool), "%s", POOL);
	(void)snprintf(settings.engine, sizeof(settings.engine), "%s", ENGINE);
	return 0;
}

/* A sandbox of Docker's that runs, with its limit as it should be. */
static void sandbox(const char *id, const char *name, uint32_t project, uint64_t budget)
{
	const struct record record = { .project = project, .budget = budget, .running = true, .boot = record_boot() };
	_cleanup_free_ char *folder = xasprintf(ENGINE "/containers/%s", id);
	_cleanup_free_ char *config = xasprintf("{\"Name\":\"/%s\",\"Config\":{}}", name);
	struct error err = ERROR_INIT;

	make_dirs(folder);
	put_text(in(folder, "config.v2.json"), config);
	put_text(in(folder, "hostconfig.json"), "{}");
	put_text(in(folder, "hosts"), "");
	assert_int_equal(record_write(pool, id, &record, &err), 0);
	assert_int_equal(budget_apply(pool, project, budget_make(budget, settings.bytes_per_inode), &err), 0);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	if (!may)
		return 0;
	must_mount("none", "/run", "tmpfs", NULL);
	make_dirs(POOL);
	must_mount("none", POOL, "tmpfs", NULL);
	make_dirs(POOL "/sysbox/docker");
	make_dirs(ENGINE "/containers");
	pool = open(POOL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return pool < 0;
}

static int teardown(void **state)
{
	(void)state;
	fd_closep(&pool);
	if (!may)
		return 0;
	must_unmount(POOL);
	must_unmount("/run");
	return 0;
}

/* ---- reconcile ---- */

static char told[TOLD_MAX], complained[TOLD_MAX];

static void note(char *text, const char *a, const char *b, const char *c)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, TOLD_MAX - len, "%s %s %s\n", a, b, c);
}

static void did(void *userdata, const char *what, const char *id, const char *detail)
{
	(void)userdata;
	note(told, what, id, detail);
}

static void failed(void *userdata, const char *id, const char *message)
{
	(void)userdata;
	note(complained, "error", id, message);
}

static int run(bool dry, unsigned *ret_count)
{
	const struct reconcile_options options = { .keep_s = 3600, .dry_run = dry, .did = did, .failed = failed };
	struct error err = ERROR_INIT;

	told[0] = complained[0] = '\0';
	return reconcile(&settings, pool, &options, ret_count, &err);
}

static void says(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static void limits_that_drifted(void **state)
{
	unsigned count;

	(void)state;
	need_mounts();
	sandbox(ONE, "one", 7, 64 * M);
	fake_quota(7)->hard = 9 * M;
	/* Told, and left alone. */
	assert_int_equal(run(true, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(told, "limit " ONE " project 7 had a limit of 9M, not 64M\n");
	assert_int_equal(fake_quota(7)->hard, 9 * M);
	assert_int_equal(fake_quota(0)->hard, 0);
	assert_int_equal(run(false, &count), 0);
	assert_int_equal(fake_quota(7)->hard, 64 * M);
	assert_int_equal(fake_quota(0)->hard, settings.budget);
	assert_int_equal(run(false, &count), 0);
	assert_int_equal(count, 0);
	assert_string_equal(complained, "");
}

/* A layer, a volume without a name, a file of Docker's, and what Sysbox keeps. */
static void write_everywhere(void)
{
	struct error err = ERROR_INIT;

	sandbox(ONE, "one", 7, 64 * M);
	make_dirs("/run/bundle");
	make_dirs(ENGINE "/layer/deep");
	make_dirs(ENGINE "/" VOLUME);
	make_dirs(POOL "/sysbox/docker/" ONE);
	put_text("/run/bundle/config.json",
		 "{\"root\":{\"path\":\"" ENGINE "/layer\"},\"mounts\":["
		 "{\"type\":\"bind\",\"source\":\"" ENGINE "/" VOLUME "\"},"
		 "{\"type\":\"bind\",\"source\":\"" ENGINE "/containers/" ONE "/hosts\"}]}");
	assert_int_equal(bundle_note(BUNDLE_NOTES, "/run/states", ONE, "/run/bundle", &err), 0);
	fake_tag_at(ENGINE "/layer", 7, true);
	fake_tag_at(ENGINE "/" VOLUME, 7, true);
	fake_tag_at(ENGINE "/containers/" ONE "/hosts", 7, false);
	fake_tag_at(POOL "/sysbox/docker/" ONE, 7, true);
}

static void places_that_drifted(void **state)
{
	static const char *const PLACES[] = { "docker/layer", "docker/" VOLUME, "docker/containers/" ONE "/hosts",
					      "sysbox/docker/" ONE };
	unsigned count;

	(void)state;
	need_mounts();
	write_everywhere();
	assert_int_equal(run(false, &count), 0);
	assert_string_equal(told, "");
	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		_cleanup_free_ char *line = xasprintf("tag " ONE " %s\n", PLACES[i]);

		fake_tag_at(in(POOL, PLACES[i]), 0, false);
		assert_int_equal(run(true, &count), 0);
		assert_string_equal(told, line);
		assert_int_equal(fake_project_at(in(POOL, PLACES[i])), 0);
		assert_int_equal(run(false, &count), 0);
		assert_string_equal(told, line);
		assert_int_equal(fake_project_at(in(POOL, PLACES[i])), 7);
		assert_int_equal(run(false, &count), 0);
		assert_int_equal(count, 0);
	}
}

static void one_that_fails_keeps_nothing_up(void **state)
{
	struct error err = ERROR_INIT;
	unsigned count;

	(void)state;
	need_mounts();
	sandbox(ONE, "one", 7, 64 * M);
	sandbox(TWO, "two", 8, 64 * M);
	sandbox(THREE, "three", 9, 64 * M);
	fake_quota(9)->hard = 9 * M;
	fake_broken = 7;
	assert_ok(symlink("nonsense", POOL "/" POOL_SANDBOXES "/zzz"));
	make_dirs(POOL "/" POOL_DROP "/old");
	assert_int_equal(run(false, &count), -EIO);
	says(complained, "error " ONE " project 7 cannot be read\n");
	says(complained, "error zzz ");
	says(told, "limit " THREE " ");
	assert_int_equal(count, 1);
	assert_int_equal(fake_quota(9)->hard, 64 * M);
	/* All of the rest was done, too. */
	assert_int_equal(fake_quota(0)->hard, settings.budget);
	assert_false(exists(POOL "/" POOL_DROP "/old"));
	fake_deaf = true;
	fake_broken = 0;
	assert_int_equal(unlink(POOL "/" POOL_SANDBOXES "/zzz"), 0);
	settings.budget *= 2;
	assert_int_equal(run(false, &count), -EIO);
	says(complained, "the limits of project 0 read back as ");
	assert_int_equal(reconcile_default(&settings, pool, &err), -EIO);
	settings.budget /= 2;
}

static bool came;

/* `berth quota set`, right after the limit was looked at. */
static void somebody_comes(struct quota_usage *quota)
{
	struct record record = { .project = 7, .budget = 128 * M, .set = 128 * M, .running = true, .boot = record_boot() };
	struct error err = ERROR_INIT;

	if (quota->project != 7 || came)
		return;
	came = true;
	assert_int_equal(record_write(pool, ONE, &record, &err), 0);
	assert_int_equal(budget_apply(pool, 7, budget_make(128 * M, settings.bytes_per_inode), &err), 0);
}

static void a_record_that_changes_meanwhile(void **state)
{
	unsigned count;

	(void)state;
	need_mounts();
	sandbox(ONE, "one", 7, 64 * M);
	fake_quota(7)->hard = 9 * M;
	came = false;
	fake_after_get = somebody_comes;
	assert_int_equal(run(false, &count), 0);
	assert_true(came);
	assert_int_equal(count, 0);
	assert_int_equal(fake_quota(7)->hard, 128 * M);
}

/* ---- ls, get, set ---- */

static void read_list(struct sandboxes *ret)
{
	struct error err = ERROR_INIT;

	sandbox(ONE, "web", 7, 300 * M);
	sandbox(TWO, "build", 8, 64 * M);
	sandbox(THREE, "db", 9, 128 * M);
	fake_quota(7)->used = 30 * M;  /* 10 % */
	fake_quota(8)->used = 20 * M;  /* 31 % */
	fake_quota(9)->used = 100 * M; /* 78 % */
	fake_quota(7)->inodes = 5;
	fake_quota(8)->inodes = 70;
	fake_quota(9)->inodes = 6;
	if (sandboxes_read(&settings, pool, ret, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(ret->len, 3);
}

static void orders(void **state)
{
	static const struct {
		enum sandbox_order order;
		const char *names[3];
	} TABLE[] = {
		{ ORDER_NAME, { "build", "db", "web" } },     { ORDER_USED, { "db", "web", "build" } },
		{ ORDER_LIMIT, { "web", "db", "build" } },    { ORDER_PERCENT, { "db", "build", "web" } },
		{ ORDER_INODES, { "build", "db", "web" } },   { ORDER_ID, { "web", "build", "db" } },
	};
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;

	(void)state;
	need_mounts();
	read_list(&list);
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		sandboxes_sort(&list, TABLE[i].order);
		for (size_t k = 0; k < 3; k++)
			assert_string_equal(list.items[k].name, TABLE[i].names[k]);
	}
}

static void by_name_id_and_prefix(void **state)
{
	static const struct {
		const char *what;
		int result;
		const char *name;
	} TABLE[] = {
		{ "web", 0, "web" },	  { ONE, 0, "web" },	   { "1111b", 0, "build" }, { "3333", 0, "db" },
		{ "1111", -EEXIST, NULL }, { "333", -ENOENT, NULL }, { "we", -ENOENT, NULL }, { "1111aaaab", -ENOENT, NULL },
	};
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;

	(void)state;
	need_mounts();
	read_list(&list);
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		const struct sandbox *found = NULL;
		struct error err = ERROR_INIT;

		assert_int_equal(sandboxes_find(&list, TABLE[i].what, &found, &err), TABLE[i].result);
		if (TABLE[i].name)
			assert_string_equal(found->name, TABLE[i].name);
		if (TABLE[i].result == -EEXIST)
			says(err.message, "more than one sandbox has an id that begins with '1111'");
	}
}

static void one_that_cannot_be_read_is_told(void **state)
{
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	need_mounts();
	sandbox(ONE, "web", 7, 300 * M);
	sandbox(TWO, "build", 8, 64 * M);
	fake_broken = 7;
	assert_int_equal(sandboxes_read(&settings, pool, &list, &err), -EBADMSG);
	assert_int_equal(list.len, 1);
	assert_string_equal(list.items[0].name, "build");
	assert_int_equal(list.unreadable_len, 1);
	assert_string_equal(list.unreadable[0].id, ONE);
	assert_string_equal(list.unreadable[0].why, "project 7 cannot be read");
}

static void sizes_that_are_no_limit(void **state)
{
	static const struct {
		uint64_t bytes;
		int result;
	} TABLE[] = {
		{ UINT64_MAX, -EINVAL }, { (uint64_t)1 << 60, -EINVAL }, { ((uint64_t)1 << 50) + 1, -EINVAL },
		{ M - 1, -EINVAL },	 { 0, -EINVAL },		 { (uint64_t)1 << 50, 0 },
	};
	_cleanup_(sandboxes_release) struct sandboxes list = SANDBOXES_INIT;

	(void)state;
	need_mounts();
	read_list(&list);
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		const struct adjustment adjustment = { .bytes = TABLE[i].bytes, .force = true };
		struct error err = ERROR_INIT;
		uint64_t bytes;

		assert_int_equal(sandbox_adjust(&settings, pool, &list.items[0], &adjustment, &bytes, &err),
				 TABLE[i].result);
	}
	assert_int_equal(fake_quota(7)->hard, (uint64_t)1 << 50);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(limits_that_drifted),
		TEST(places_that_drifted),
		TEST(one_that_fails_keeps_nothing_up),
		TEST(a_record_that_changes_meanwhile),
		TEST(orders),
		TEST(by_name_id_and_prefix),
		TEST(one_that_cannot_be_read_is_told),
		TEST(sizes_that_are_no_limit),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
