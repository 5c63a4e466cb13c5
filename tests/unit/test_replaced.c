#include "host_fixture.h"

#include "agent/replaced.h"
#include "step/layout.h"

#define ELF "\177ELF and what else is in a program"

static struct replaced cache;

static bool is_replaced(void)
{
	return replaced_by_other(&host, real("/self"), &cache);
}

static void place(const char *bytes, mode_t mode)
{
	(void)unlink(real(BERTH_PROGRAM));
	put_bytes(BERTH_PROGRAM, bytes, strlen(bytes), mode);
}

static void by_another_program_alone(void **state)
{
	cache = (struct replaced){ 0 };
	put("/self", ELF);
	assert_false(is_replaced()); /* removed: a repair puts it back */
	place(ELF, 0755);
	assert_false(is_replaced()); /* and has done so */
	assert_false(is_replaced());
	place(ELF ", of a later version", 0755);
	assert_true(is_replaced());
	place("#!/bin/sh\n", 0755);
	assert_false(is_replaced()); /* nobody could take over */
	place("", 0755);
	assert_false(is_replaced());
	place(ELF "!", 0644);
	assert_false(is_replaced());
}

static void each_file_is_read_once(void **state)
{
	cache = (struct replaced){ 0 };
	put("/self", ELF);
	place(ELF ", of a later version", 0755);
	assert_true(is_replaced());
	assert_int_equal(unlink(real("/self")), 0);
	assert_true(is_replaced());
	place(ELF ", of a still later version", 0755);
	assert_false(is_replaced()); /* it is another: there is nothing to compare it with */
}

static void this_program_is_where_it_was(void **state)
{
	assert_false(replaced_is_deleted());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(by_another_program_alone),
		host_test(each_file_is_read_once),
		host_test(this_program_is_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
