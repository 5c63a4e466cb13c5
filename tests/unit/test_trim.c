#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>

#include "sys/trim.h"

/* That it gives back what is free is tested on a real pool: test_pool_grow.c. */
static void test_not_for_all(void **state)
{
	static const char *const NONE[] = { "/proc", "/dev/null" };
	struct error err = ERROR_INIT;
	uint64_t bytes = 42;

	for (size_t i = 0; i < ARRAY_SIZE(NONE); i++) {
		_cleanup_fd_ int fd = open(NONE[i], O_RDONLY | O_CLOEXEC);

		assert_int_equal(trim_free_space(fd, &bytes, &err), -EOPNOTSUPP);
		assert_non_null(strstr(err.message, "discard the free space"));
	}
	assert_int_equal(trim_free_space(-EBADF, &bytes, &err), -EBADF);
	assert_int_equal(bytes, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
