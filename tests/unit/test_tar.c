#include <setjmp.h>
#include <stdarg.h>

#include "base/file.h"
#include "engine/tar.h"
#include "sys/spawn.h"

#include <cmocka.h>

static void test_round_trip(void **state)
{
	static const struct {
		const char *name;
		enum tar_type type;
		mode_t mode;
		uint64_t size;
	} CASES[] = {
		{ "a", TAR_FILE, 0644, 0 },
		{ "usr/bin/x", TAR_FILE, 04755, 1 },
		{ "dir/", TAR_DIR, 01777, 0 },
		{ "big", TAR_FILE, 0, ((uint64_t)1 << 33) - 1 },
	};
	unsigned char block[TAR_BLOCK];
	struct tar_entry entry;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		assert_int_equal(tar_header(CASES[i].name, CASES[i].type, CASES[i].mode,
					    CASES[i].size, block),
				 0);
		assert_int_equal(tar_parse_header(block, &entry), 0);
		assert_string_equal(entry.name, CASES[i].name);
		assert_int_equal(entry.type, CASES[i].type);
		assert_int_equal(entry.mode, CASES[i].mode);
		assert_int_equal(entry.size, CASES[i].size);
	}
	assert_int_equal(tar_header("big", TAR_FILE, 0, (uint64_t)1 << 33, block), -EFBIG);
	assert_int_equal(tar_header("", TAR_FILE, 0, 0, block), -EINVAL);
	assert_int_equal(tar_header("/a", TAR_FILE, 0, 0, block), -EINVAL);
}

/* Parts of `a` and `b` letters with a slash between (none where b is 0). */
static const char *long_name(size_t a, size_t b)
{
	static char name[512];

	memset(name, 'a', a);
	name[a] = b ? '/' : '\0';
	memset(name + a + 1, 'b', b);
	if (b)
		name[a + 1 + b] = '\0';
	return name;
}

static void test_long_names(void **state)
{
	static const struct {
		size_t a, b;
		int r;
	} CASES[] = {
		{ 100, 0, 0 },
		{ 101, 0, -ENAMETOOLONG },
		{ 155, 100, 0 },
		{ 50, 60, 0 },
		{ 156, 100, -ENAMETOOLONG },
		{ 155, 101, -ENAMETOOLONG },
		{ 1, 100, 0 },
		{ 98, 1, 0 },
		{ 99, 1, 0 },
	};
	unsigned char block[TAR_BLOCK];
	struct tar_entry entry;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		const char *name = long_name(CASES[i].a, CASES[i].b);

		assert_int_equal(tar_header(name, TAR_FILE, 0644, 1, block), CASES[i].r);
		if (CASES[i].r < 0)
			continue;
		assert_int_equal(tar_parse_header(block, &entry), 0);
		assert_string_equal(entry.name, name);
	}
}

static void test_damaged_headers(void **state)
{
	unsigned char block[TAR_BLOCK];
	struct tar_entry entry;

	assert_int_equal(tar_header("name", TAR_FILE, 0644, 5, block), 0);
	for (size_t i = 0; i < sizeof(block); i++) {
		if (i == 155) /* behind the checksum's digits and NUL: a blank nobody reads */
			continue;
		block[i] ^= 0x41;
		assert_int_equal(tar_parse_header(block, &entry), -EBADMSG);
		block[i] ^= 0x41;
	}
	assert_int_equal(tar_parse_header(block, &entry), 0);
	memset(block, 0, sizeof(block));
	assert_int_equal(tar_parse_header(block, &entry), -EBADMSG);
}

static void test_padding(void **state)
{
	assert_int_equal(tar_padding(0), 0);
	assert_int_equal(tar_padding(1), 511);
	assert_int_equal(tar_padding(512), 0);
	assert_int_equal(tar_padding(513), 511);
}

static void test_system_tar_reads_it(void **state)
{
	static const char *const ARGV[] = { "tar", "-tvf", "-", "--numeric-owner", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	_cleanup_(strbuf_release) struct strbuf tar = STRBUF_INIT;
	static const char *const ENV[] = { "TZ=UTC", "LC_ALL=C", NULL };
	struct spawn_options options = { .env = ENV, .timeout_ms = 10000 };
	struct error err = ERROR_INIT;

	assert_int_equal(tar_add_dir(&tar, "usr", 0755), 0);
	assert_int_equal(tar_add_file(&tar, "usr/f", "hello", 5, 0640), 0);
	assert_int_equal(tar_add_file(&tar, long_name(120, 20), "", 0, 0600), 0);
	assert_int_equal(tar_add_end(&tar), 0);
	assert_int_equal(tar.len, 4 * TAR_BLOCK + TAR_END);
	options.input = tar.data;
	options.input_len = tar.len;
	if (access("/usr/bin/tar", X_OK) < 0) {
		print_message("no /usr/bin/tar: not compared with it\n");
		skip();
	}
	assert_int_equal(spawn_check("/usr/bin/tar", ARGV, &options, &result, &err), 0);
	assert_non_null(strstr(strbuf_str(&result.out),
			       "drwxr-xr-x 0/0               0 1970-01-01 00:00 usr/\n"
			       "-rw-r----- 0/0               5 1970-01-01 00:00 usr/f\n"));
	assert_non_null(strstr(strbuf_str(&result.out), long_name(120, 20)));
	assert_int_equal(result.err.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),	    cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_damaged_headers),	    cmocka_unit_test(test_padding),
		cmocka_unit_test(test_system_tar_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
