#include "host_fixture.h"

#include "change/backup.h"
#include "change/change.h"

static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void kept_once_by_content(void **state)
{
	char first[DIGEST_HEX_MAX], second[DIGEST_HEX_MAX];
	struct stat st, again;

	must(backup_put(&host, "abc", 3, first, &must_err));
	assert_string_equal(first, ABC);
	assert_int_equal(mode_of(BACKUP_DIR), 0700);
	assert_int_equal(
		stat(real(BACKUP_DIR "/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
				     "ff61f20015ad"),
		     &st),
		0);
	assert_int_equal(st.st_mode & 07777, 0600);
	must(backup_put(&host, "abc", 3, second, &must_err));
	assert_string_equal(second, ABC);
	assert_int_equal(
		stat(real(BACKUP_DIR "/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
				     "ff61f20015ad"),
		     &again),
		0);
	assert_int_equal(st.st_ino, again.st_ino);
}

static void the_same_bytes_return(void **state)
{
	static const char BYTES[] = "\0\xff\n\0";
	char sha256[DIGEST_HEX_MAX], empty[DIGEST_HEX_MAX];
	_cleanup_free_ char *data = NULL;
	_cleanup_free_ char *nothing = NULL;
	size_t len = 0;

	must(backup_put(&host, BYTES, sizeof(BYTES), sha256, &must_err));
	must(backup_put(&host, "", 0, empty, &must_err));
	must(backup_get(&host, sha256, &data, &len, &must_err));
	assert_int_equal(len, sizeof(BYTES));
	assert_memory_equal(data, BYTES, len);
	must(backup_get(&host, empty, &nothing, &len, &must_err));
	assert_int_equal(len, 0);
}

static void damage_is_noticed(void **state)
{
	char sha256[DIGEST_HEX_MAX];
	struct error err = ERROR_INIT;
	char *data = NULL;
	size_t len;

	must(backup_put(&host, "abc", 3, sha256, &must_err));
	put(BACKUP_DIR "/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abd");
	assert_int_equal(backup_get(&host, sha256, &data, &len, &err), -EBADMSG);
	assert_says(err.message, "is damaged");
	assert_null(data);
}

static void names_that_are_none(void **state)
{
	static const char NOT_HEX[] =
		"zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char *const NAMES[] = { "", "abc", "../records", "/etc/passwd", NOT_HEX };
	char *data = NULL;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(backup_get(&host, NAMES[i], &data, &len, &err), -EINVAL);
		assert_says(err.message, "is not the name of a backup");
	}
}

static void absent(void **state)
{
	struct error err = ERROR_INIT;
	char *data = NULL;
	size_t len;

	assert_int_equal(backup_get(&host, ABC, &data, &len, &err), -ENOENT);
	assert_says(err.message, "read the backup");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(kept_once_by_content),
		host_test(the_same_bytes_return),
		host_test(damage_is_noticed),
		host_test(names_that_are_none),
		host_test(absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
