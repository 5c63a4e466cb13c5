#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "base/digest.h"

#include <cmocka.h>

/* FIPS 180-2, appendix B. */
#define EMPTY	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC	 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLIONA "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static int memory_file(const void *data, size_t len)
{
	int fd = memfd_create("digest", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void memory(void **state)
{
	char hex[DIGEST_HEX_MAX];

	digest_hex("", 0, hex);
	assert_string_equal(hex, EMPTY);
	digest_hex("abc", 3, hex);
	assert_string_equal(hex, ABC);
	digest_hex("abc\0", 4, hex);
	assert_string_not_equal(hex, ABC);
	assert_true(digest_valid(hex));
}

static void descriptor(void **state)
{
	_cleanup_free_ char *big = malloc(1000000);
	_cleanup_fd_ int empty = memory_file("", 0);
	_cleanup_fd_ int small = memory_file("xxabc", 5);
	_cleanup_fd_ int large = -EBADF;
	struct error err = ERROR_INIT;
	char hex[DIGEST_HEX_MAX];

	assert_non_null(big);
	memset(big, 'a', 1000000);
	large = memory_file(big, 1000000);
	assert_int_equal(digest_fd(empty, hex, &err), 0);
	assert_string_equal(hex, EMPTY);
	assert_int_equal(digest_fd(large, hex, &err), 0);
	assert_string_equal(hex, MILLIONA);
	/* From the offset on. */
	assert_int_equal(lseek(small, 2, SEEK_SET), 2);
	assert_int_equal(digest_fd(small, hex, &err), 0);
	assert_string_equal(hex, ABC);
	/* Which is at the end now. */
	assert_int_equal(digest_fd(small, hex, &err), 0);
	assert_string_equal(hex, EMPTY);
	assert_int_equal(err.code, 0);
}

static void unreadable(void **state)
{
	_cleanup_fd_ int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;
	char hex[DIGEST_HEX_MAX];

	assert_int_equal(digest_fd(-EBADF, hex, &err), -EBADF);
	assert_int_equal(err.code, EBADF);
	assert_non_null(strstr(err.message, "SHA-256"));
	assert_int_equal(digest_fd(dir, hex, &err), -EISDIR);
}

static void valid(void **state)
{
	char hex[] = ABC;

	assert_true(digest_valid(hex));
	hex[63] = 'F';
	assert_true(digest_valid(hex));
	hex[63] = 'g';
	assert_false(digest_valid(hex));
	hex[63] = '\0';
	assert_false(digest_valid(hex));
	assert_false(digest_valid(""));
	assert_false(digest_valid(ABC "0"));
	assert_false(digest_valid("sha256:" ABC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory),
		cmocka_unit_test(descriptor),
		cmocka_unit_test(unreadable),
		cmocka_unit_test(valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
