#include "change_fixture.h"

#define TARGET "/usr/local/lib/berth/berth"

static const struct change *plan_copy(const char *source, json_int_t size)
{
	return plan_one(&change_copy, TARGET,
			json_pack("{s:s, s:s, s:I, s:i}", "source", source, "version", "9.9",
				  "size", size, "mode", 0755));
}

/* More than one chunk, and not a whole number of them. */
static json_int_t put_source(char first)
{
	_cleanup_free_ char *data = malloc(150001);

	assert_non_null(data);
	memset(data, 'x', 150001);
	data[0] = first;
	put_bytes("/source", data, 150001, 0700);
	return 150001;
}

static void assert_copied(void)
{
	_cleanup_free_ char *a = NULL;
	_cleanup_free_ char *b = NULL;
	size_t n = 0, m = 0;

	assert_int_equal(file_read_at(AT_FDCWD, real("/source"), 1 << 20, &a, &n), 0);
	assert_int_equal(file_read_at(AT_FDCWD, real(TARGET), 1 << 20, &b, &m), 0);
	assert_int_equal(n, m);
	assert_memory_equal(a, b, n);
	assert_int_equal(mode_of(TARGET), 0755);
	assert_false(is_there("/usr/local/lib/berth/.berth.berth-tmp"));
}

static void copied_and_taken_away(void **state)
{
	const struct change *c = plan_copy(real("/source"), put_source('a'));

	assert_string_equal(described(c), "+ berth 9.9, 150001 bytes, mode 0755\n");
	make_it_so(c);
	assert_copied();
	assert_string_equal(json_get_string(after, "version"), "9.9");
	assert_null(plan_copy(real("/source"), 150001));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/usr/local/lib/berth"));
	assert_true(is_there("/source"));
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void another_content_is_replaced(void **state)
{
	const struct change *c;

	put_source('a');
	make_it_so(plan_copy(real("/source"), 150001));
	put_source('b');
	c = plan_copy(real("/source"), 150001);
	assert_non_null(c);
	assert_says(described(c), "~ berth 9.9");
	make_it_so(c);
	assert_copied();
}

static void another_size_is_a_difference(void **state)
{
	put_source('a');
	put(TARGET, "short");
	assert_non_null(plan_copy(real("/source"), 150001));
	put("/source", "shorter");
	put_bytes(TARGET, "shorter", 7, 0755);
	assert_non_null(plan_copy(real("/source"), 150001));
	assert_null(plan_copy(real("/source"), 7));
}

static void another_mode_is_a_difference(void **state)
{
	const struct change *c;

	put_source('a');
	make_it_so(plan_copy(real("/source"), 150001));
	assert_int_equal(chmod(real(TARGET), 0644), 0);
	c = plan_copy(real("/source"), 150001);
	assert_non_null(c);
	make_it_so(c);
	assert_copied();
}

static void a_link_in_its_place_is_replaced(void **state)
{
	const struct change *c;

	put_source('a');
	put("/elsewhere", "theirs");
	must(host_mkdirs(&host, "/usr/local/lib/berth", 0755, NULL, &must_err));
	assert_int_equal(symlink("/elsewhere", real(TARGET)), 0);
	c = plan_copy(real("/source"), 150001);
	make_it_so(c);
	assert_copied();
	assert_text("/elsewhere", "theirs");
}

static void a_leftover_of_a_crash_is_no_hindrance(void **state)
{
	put_source('a');
	put("/usr/local/lib/berth/.berth.berth-tmp", "half");
	make_it_so(plan_copy(real("/source"), 150001));
	assert_copied();
}

static void without_a_source(void **state)
{
	const struct change *c = plan_copy("/no/such/program", 5);
	struct error err = ERROR_INIT;

	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -ENOENT);
	assert_says(err.message, "open '/no/such/program'");
	assert_false(is_there(TARGET));
	assert_false(is_there("/usr/local/lib/berth/.berth.berth-tmp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(copied_and_taken_away),
		change_test(another_content_is_replaced),
		change_test(another_size_is_a_difference),
		change_test(another_mode_is_a_difference),
		change_test(a_link_in_its_place_is_replaced),
		change_test(a_leftover_of_a_crash_is_no_hindrance),
		change_test(without_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
