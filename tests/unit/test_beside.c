#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "sys/beside.h"

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static int well(void *userdata, struct error *err)
{
	return *(int *)userdata;
}

static int badly(void *userdata, struct error *err)
{
	return error_set(err, ENOSPC, "write '%s': full", (const char *)userdata);
}

static int die(void *userdata, struct error *err)
{
	(void)raise(SIGKILL);
	return 0;
}

static int wait_for_go(void *userdata, struct error *err)
{
	char go;

	return read(*(int *)userdata, &go, 1) == 1 ? go : -EIO;
}

static void result_comes_back(void **state)
{
	struct beside beside = BESIDE_INIT;
	struct error err = ERROR_INIT;
	int result = 7;

	assert_int_equal(beside_start(well, &result, &beside, &err), 0);
	assert_true(beside.pid > 0);
	assert_int_equal(beside_finish(&beside, &err), 7);
	assert_int_equal(err.code, 0);
	assert_int_equal(beside.pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
}

static void error_comes_back(void **state)
{
	static char path[] = "/x";
	struct beside beside = BESIDE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(beside_start(badly, path, &beside, &err), 0);
	assert_int_equal(beside_finish(&beside, &err), -ENOSPC);
	assert_int_equal(err.code, ENOSPC);
	assert_string_equal(err.message, "write '/x': full");
}

static void a_death_is_no_success(void **state)
{
	struct beside beside = BESIDE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(beside_start(die, NULL, &beside, &err), 0);
	assert_int_equal(beside_finish(&beside, &err), -EPROTO);
	assert_string_equal(err.message, "the process that was at work beside this one died");
}

/* It is really beside: it ends only by what is done after its start. */
static void both_are_at_work(void **state)
{
	struct beside beside = BESIDE_INIT;
	struct error err = ERROR_INIT;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(beside_start(wait_for_go, &fds[0], &beside, &err), 0);
	assert_int_equal(waitpid(beside.pid, NULL, WNOHANG), 0);
	assert_int_equal(write(fds[1], "\5", 1), 1);
	assert_int_equal(beside_finish(&beside, &err), 5);
	assert_int_equal(close(fds[0]), 0);
	assert_int_equal(close(fds[1]), 0);
}

static void nothing_was_begun(void **state)
{
	struct beside beside = BESIDE_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(beside_finish(&beside, &err), 0);
	beside_release(&beside);
	assert_int_equal(err.code, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_comes_back),	 cmocka_unit_test(error_comes_back),
		cmocka_unit_test(a_death_is_no_success), cmocka_unit_test(both_are_at_work),
		cmocka_unit_test(nothing_was_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
