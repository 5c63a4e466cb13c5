#include <setjmp.h>
#include <stdarg.h>

#include "base/error.h"

#include <cmocka.h>

static void returns_the_negative_code(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_set(&err, ENOSPC, "attach '%s'", "/x"), -ENOSPC);
	assert_int_equal(err.code, ENOSPC);
	assert_string_equal(err.message, "attach '/x'");
	/* A code already negative is taken as it is meant. */
	assert_int_equal(error_set(&err, -EPERM, "no"), -EPERM);
	assert_int_equal(err.code, EPERM);
	/* A failure never has the code of success. */
	assert_int_equal(error_set(&err, 0, "odd"), -EIO);
	assert_int_equal(err.code, EIO);
}

static void errno_is_put_behind(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(error_errno(&err, -ENOENT, "open '%s'", "f"), -ENOENT);
	assert_string_equal(err.message, "open 'f': No such file or directory");
	assert_int_equal(err.code, ENOENT);
}

static void context_goes_in_front(void **state)
{
	struct error err = ERROR_INIT;

	error_set(&err, EBUSY, "inner");
	assert_int_equal(error_context(&err, "middle %d", 2), -EBUSY);
	assert_int_equal(error_context(&err, "outer"), -EBUSY);
	assert_string_equal(err.message, "outer: middle 2: inner");
	assert_int_equal(err.code, EBUSY);
}

static void nobody_listening_is_fine(void **state)
{
	assert_int_equal(error_set(NULL, EINVAL, "x"), -EINVAL);
	assert_int_equal(error_errno(NULL, EINVAL, "x"), -EINVAL);
	assert_true(error_context(NULL, "x") < 0);
	error_clear(NULL);
}

static void a_message_is_one_line(void **state)
{
	struct error err = ERROR_INIT;

	error_set(&err, EINVAL, "a\nb\tc\x1b[31md\x7f \xc3\xa9");
	assert_string_equal(err.message, "a b c [31md  \xc3\xa9");
	error_context(&err, "x\ry");
	assert_string_equal(err.message, "x y: a b c [31md  \xc3\xa9");
}

static void long_texts_are_cut(void **state)
{
	struct error err = ERROR_INIT;
	char text[4000];

	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);

	/* What the errno says survives a long text in front. */
	error_errno(&err, ENOENT, "%s", text);
	assert_non_null(strstr(err.message, ": No such file or directory"));
	assert_true(strlen(err.message) < sizeof(err.message));

	error_set(&err, EINVAL, "core%s", text);
	memset(text, 'c', sizeof(text) - 1);
	error_context(&err, "%s", text);
	assert_true(strlen(err.message) < sizeof(err.message));
	assert_non_null(strstr(err.message, "cc: coremm"));
}

static void its_own_message_may_be_an_argument(void **state)
{
	struct error err = ERROR_INIT;

	error_set(&err, EINVAL, "inner");
	error_set(&err, EPROTO, "before %s after %s", err.message, err.message);
	assert_string_equal(err.message, "before inner after inner");
	assert_int_equal(err.code, EPROTO);
}

static void clear_forgets(void **state)
{
	struct error err = ERROR_INIT;

	error_set(&err, EINVAL, "x");
	error_clear(&err);
	assert_int_equal(err.code, 0);
	assert_string_equal(err.message, "");
	/* Context on an error nobody filled is still an error. */
	assert_int_equal(error_context(&err, "x"), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(returns_the_negative_code),
		cmocka_unit_test(errno_is_put_behind),
		cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(nobody_listening_is_fine),
		cmocka_unit_test(a_message_is_one_line),
		cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(its_own_message_may_be_an_argument),
		cmocka_unit_test(clear_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
