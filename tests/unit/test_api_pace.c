#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "agent/api_pace.h"
#include "base/macros.h"

static struct api_pace pace;

static uint64_t failed(long status)
{
	return api_pace_failed(&pace, status, 0, 7);
}

static void pauses_double_up_to_five_minutes(void **state)
{
	static const uint64_t SECONDS[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };

	pace = (struct api_pace){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(SECONDS); i++)
		assert_int_equal(failed(i % 2 ? 0 : 503), SECONDS[i] * 1000);
	assert_int_equal(pace.failures, ARRAY_SIZE(SECONDS));
	assert_int_equal(pace.failing_since, 7);
	assert_true(api_pace_answered(&pace));
	assert_false(api_pace_answered(&pace));
	assert_int_equal(failed(500), 1000);
}

static void a_pause_that_is_asked_for(void **state)
{
	pace = (struct api_pace){ 0 };
	assert_int_equal(api_pace_failed(&pace, 429, 20000, 7), 20000);
	assert_int_equal(api_pace_failed(&pace, 429, 1000, 7), 2000);
	assert_int_equal(api_pace_failed(&pace, 429, 3600000, 7), 300000);
}

/* Once: an authenticator that fails now and then is no reason to ask more often. */
static void a_token_that_ran_out_while_it_was_away(void **state)
{
	pace = (struct api_pace){ 0 };
	for (int i = 0; i < 20; i++)
		(void)failed(0);
	assert_int_equal(failed(401), 1000);
	assert_int_equal(failed(401), 2000);
	assert_int_equal(failed(0), 4000);
	assert_int_equal(failed(401), 8000);
	assert_int_equal(pace.failures, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_double_up_to_five_minutes),
		cmocka_unit_test(a_pause_that_is_asked_for),
		cmocka_unit_test(a_token_that_ran_out_while_it_was_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
