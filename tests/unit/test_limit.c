#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "quota/budget.h"
#include "sandbox/docker_files.h"
#include "sandbox/limit.h"
#include "sandbox/record.h"

#include <cmocka.h>

#define M ((uint64_t)1 << 20)

static void who_has_the_first_word(void **state)
{
	static const struct {
		struct limit_sources sources;
		uint64_t bytes;
		const char *source;
	} TABLE[] = {
		{ { 0 }, 10240 * M, "default" },
		{ { .engine = "300m" }, 300 * M, "engine" },
		{ { .engine = "300m", .label = "1G" }, 1024 * M, "label" },
		{ { .label = "1024T" }, LIMIT_MAX, "label" },
		{ { .engine = "0G" }, 10240 * M, "default" }, /* no size for Docker either */
		{ { .engine = "300m", .label = "1G", .annotation = "2Gi" }, 2048 * M, "annotation" },
		{ { .engine = "x", .label = "y", .annotation = "z", .set = 5 * M }, 5 * M, "set" },
		{ { .set = RECORD_UNLIMITED }, 0, "set" },
	};
	struct settings settings = settings_default();

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct error err = ERROR_INIT;
		struct limit limit;

		assert_int_equal(limit_decide(&settings, &TABLE[i].sources, &limit, &err), 0);
		assert_int_equal(limit.bytes, TABLE[i].bytes);
		assert_string_equal(limit.source, TABLE[i].source);
	}
}

static void wishes_that_are_refused(void **state)
{
	static const struct {
		struct limit_sources sources;
		const char *says;
	} TABLE[] = {
		{ { .label = "10 G" }, "the label berth.dev/disk is '10 G': write a size" },
		{ { .label = "" }, "the label berth.dev/disk is ''" },
		{ { .annotation = "1K" }, "less than 1M" },
		{ { .annotation = "0" }, "less than 1M" },
		{ { .annotation = "unlimited" }, "which this host does not allow (budget.allow_unlimited)" },
		{ { .annotation = "99999999999T" }, "write a size" },
		{ { .annotation = "2000000T" }, "more than 1024T is no limit" }, /* above 2^60: as good as none */
		{ { .label = "1025T" }, "more than 1024T is no limit" },
		{ { .engine = "2000000T" }, "is more than 1024T" },
		{ { .engine = "much" }, "Docker's size 'much'" },
		{ { .engine = "100k" }, "less than 1M" },
	};
	struct settings settings = settings_default();

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct error err = ERROR_INIT;
		struct limit limit = { .bytes = 77 };

		assert_int_equal(limit_decide(&settings, &TABLE[i].sources, &limit, &err), -EINVAL);
		if (!strstr(err.message, TABLE[i].says))
			fail_msg("says '%s'", err.message);
		assert_int_equal(limit.bytes, 77);
	}
}

static void unlimited_where_it_is_allowed(void **state)
{
	const struct limit_sources sources = { .label = "unlimited" };
	struct settings settings = settings_default();
	struct error err = ERROR_INIT;
	struct limit limit;

	settings.allow_unlimited = true;
	assert_int_equal(limit_decide(&settings, &sources, &limit, &err), 0);
	assert_int_equal(limit.bytes, 0);
	assert_int_equal(budget_make(0, 8192).inodes, 0);
}

static void sizes_as_docker_reads_them(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t bytes;
	} TABLE[] = {
		{ "300M", 0, 300 * M },	     { "300m", 0, 300 * M },	{ "300mb", 0, 300 * M },
		{ "300MiB", 0, 300 * M },    { "10G", 0, 10240 * M },	{ "1.5g", 0, 1536 * M },
		{ "0.5GB", 0, 512 * M },     { "1048576", 0, M },	{ "1048576b", 0, M },
		{ "10 G", 0, 10240 * M },    { "2t", 0, 2048 * 1024 * M },
		{ "", -EINVAL, 0 },	     { "G", -EINVAL, 0 },	{ "-5G", -EINVAL, 0 },
		{ "5X", -EINVAL, 0 },	     { "5GG", -EINVAL, 0 },	{ "5G ", -EINVAL, 0 },
		{ ".5G", -EINVAL, 0 },	     { "5iB", -EINVAL, 0 },
		{ "99999999999999999999", -ERANGE, 0 }, { "99999999999P", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		uint64_t bytes = 0;
		int r = docker_size_parse(TABLE[i].text, &bytes);

		if (r != TABLE[i].result || bytes != TABLE[i].bytes)
			fail_msg("'%s' is %d, %llu", TABLE[i].text, r, (unsigned long long)bytes);
	}
}

static void volumes_without_a_name(void **state)
{
	static const char HEX[] = "/var/lib/docker/volumes/"
				  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/_data";
	char other[sizeof(HEX)];

	assert_true(docker_is_anonymous_volume("/var/lib/docker", HEX));
	assert_false(docker_is_anonymous_volume("/var/lib/other", HEX));
	assert_false(docker_is_anonymous_volume("/var/lib/docker", "/var/lib/docker/volumes/data/_data"));
	assert_false(docker_is_anonymous_volume("/var/lib/docker", "/etc"));
	memcpy(other, HEX, sizeof(HEX));
	other[30] = 'x';
	assert_false(docker_is_anonymous_volume("/var/lib/docker", other));
}

static void budgets(void **state)
{
	struct budget budget = budget_make(300 * M, 8192);

	assert_int_equal(budget.bytes, 300 * M);
	assert_int_equal(budget.inodes, 38400);
	assert_int_equal(budget_make(M, 8192).inodes, BUDGET_INODES_MIN);
	assert_int_equal(budget_make(M, 0).inodes, BUDGET_INODES_MIN);
	budget = budget_with_reserve(budget);
	assert_int_equal(budget.bytes, 300 * M + BUDGET_RESERVE_BYTES);
	assert_int_equal(budget.inodes, 38400 + BUDGET_RESERVE_INODES);
	budget = budget_with_reserve(budget_make(0, 8192));
	assert_int_equal(budget.bytes, 0);
	assert_int_equal(budget.inodes, 0);
	assert_true(budget_is_unlimited(0));
	assert_true(budget_is_unlimited((uint64_t)1 << 60));
	assert_false(budget_is_unlimited((uint64_t)1 << 50));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_the_first_word),
		cmocka_unit_test(wishes_that_are_refused),
		cmocka_unit_test(unlimited_where_it_is_allowed),
		cmocka_unit_test(sizes_as_docker_reads_them),
		cmocka_unit_test(volumes_without_a_name),
		cmocka_unit_test(budgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
