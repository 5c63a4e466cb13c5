#include "tree_fixture.h"

#include "quota/claim.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"

static char top[] = "/tmp/berth-record-XXXXXX";
static int pool = -EBADF;

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
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

static void as_text(void **state)
{
	const struct record record = { .project = 1073741824, .budget = 300 << 20, .set = RECORD_UNLIMITED,
				       .running = true, .boot = UINT64_MAX, .mgr = 1 };
	char text[RECORD_TEXT_MAX], again[RECORD_TEXT_MAX];
	struct record read = { 0 };

	record_format(&record, text);
	assert_string_equal(text, "project=1073741824 budget=314572800 set=18446744073709551615 asked=0 outside=0 running=1 "
				  "boot=18446744073709551615 mgr=1");
	assert_int_equal(record_parse(text, &read), 0);
	record_format(&read, again);
	assert_string_equal(text, again);
}

static void what_is_no_record(void **state)
{
	static const char *const TEXTS[] = {
		"", "project=0", "project=", "project=x", "budget=5", "project=4294967296", "project=5 running=2",
		"project=5 budget=99999999999999999999", "project=-1",
	};
	struct record read = { .project = 77 };
	char late[RECORD_TEXT_MAX] = "project=5 colour=red";

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		if (record_parse(TEXTS[i], &read) != -EBADMSG)
			fail_msg("'%s' is taken", TEXTS[i]);
		assert_int_equal(read.project, 77);
	}
	/* A later berth may know more. */
	assert_int_equal(record_parse(late, &read), 0);
	assert_int_equal(read.project, 5);
}

static void kept_on_the_pool(void **state)
{
	struct record record = { .project = 5, .budget = 1 }, read = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(record_read(pool, "abc", &read, &err), 0);
	assert_int_equal(record_write(pool, "abc", &record, &err), 0);
	record.budget = 2;
	assert_int_equal(record_write(pool, "abc", &record, &err), 0);
	assert_int_equal(record_read(pool, "abc", &read, &err), 1);
	assert_int_equal(read.budget, 2);
	assert_int_equal(record_remove(pool, "abc", &err), 0);
	assert_int_equal(record_remove(pool, "abc", &err), 0);
	assert_int_equal(record_read(pool, "abc", &read, &err), 0);
	assert_ok(symlink("nonsense", in(top, POOL_SANDBOXES "/bad")));
	assert_int_equal(record_read(pool, "bad", &read, &err), -EBADMSG);
}

static void running_is_of_this_boot(void **state)
{
	struct record record = { .project = 5, .running = true, .boot = record_boot() };

	assert_true(record_boot() != 0);
	assert_true(record_is_running(&record));
	record.boot ^= 1;
	assert_false(record_is_running(&record));
	record.boot ^= 1;
	record.running = false;
	assert_false(record_is_running(&record));
}

static void who_has_a_project(void **state)
{
	char other[CLAIM_OWNER_MAX];
	struct error err = ERROR_INIT;

	assert_int_equal(claim_owner(pool, 7, other, &err), 0);
	assert_int_equal(claim_take(pool, 7, "abc", other, &err), 0);
	assert_string_equal(other, "");
	assert_int_equal(claim_take(pool, 7, "abc", other, &err), 0);
	assert_int_equal(claim_take(pool, 7, "def", other, &err), -EEXIST);
	assert_string_equal(other, "abc");
	assert_int_equal(claim_owner(pool, 7, other, &err), 1);
	/* Nobody gives up what is another's. */
	assert_int_equal(claim_release(pool, 7, "def", &err), 0);
	assert_int_equal(claim_owner(pool, 7, other, &err), 1);
	assert_int_equal(claim_release(pool, 7, "abc", &err), 0);
	assert_int_equal(claim_owner(pool, 7, other, &err), 0);
}

static void ids_that_are_names(void **state)
{
	static const char *const BAD[] = { "", ".", "..", ".x", "a/b", "a b", "a\nb", "\xff" };

	assert_true(sandbox_id_valid("3f0c5a1be94d2277"));
	assert_true(sandbox_id_valid("my_box-1.2+3"));
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		assert_false(sandbox_id_valid(BAD[i]));
}

static void a_pool_that_is_not_mounted(void **state)
{
	struct error err = ERROR_INIT;
	int fd;

	make_dirs(in(top, "pool"));
	assert_int_equal(pool_open(in(top, "pool"), &fd, &err), -ENODEV);
	assert_int_equal(pool_open(in(top, "none"), &fd, &err), -ENOENT);
}

static void no_way_out_of_the_pool(void **state)
{
	assert_ok(symlink("/etc", in(top, "out")));
	assert_true(pool_dir_open(pool, "out") < 0);
	assert_true(pool_dir_open(pool, "../") < 0);
	assert_true(pool_dir_open(pool, "/etc") < 0);
	assert_int_equal(pool_dir_open(pool, "none"), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(as_text),		  TEST(what_is_no_record),  TEST(kept_on_the_pool),
		TEST(running_is_of_this_boot), TEST(who_has_a_project), TEST(ids_that_are_names),
		TEST(a_pool_that_is_not_mounted), TEST(no_way_out_of_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
