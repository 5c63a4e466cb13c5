#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "agent/say.h"
#include "spec/listen.h"

static void assert_line(bool json, enum say_level level, const char *message, const char *const *pairs,
			const char *expected)
{
	_cleanup_free_ char *line = say_line(json, "2026-01-31T10:00:00Z", level, message, pairs);

	assert_string_equal(line, expected);
}

static void lines(void **state)
{
	static const char *const PAIRS[] = { "fault", "docker-dead", "detail", "a \"b\"\nc\\=\x01", "empty", "", NULL };
	static const char *const NONE[] = { NULL };

	(void)state;
	assert_line(false, SAY_WARN, "it is dead", PAIRS,
		    "ts=2026-01-31T10:00:00Z level=warn msg=\"it is dead\" fault=docker-dead "
		    "detail=\"a \\\"b\\\"\\nc\\\\=\"\n");
	assert_line(false, SAY_INFO, "", NONE, "ts=2026-01-31T10:00:00Z level=info msg=\"\"\n");
	assert_line(true, SAY_ERROR, "it is dead", PAIRS,
		    "{\"ts\":\"2026-01-31T10:00:00Z\",\"level\":\"error\",\"msg\":\"it is dead\","
		    "\"fault\":\"docker-dead\",\"detail\":\"a \\\"b\\\"\\nc\\\\=\\u0001\"}\n");
}

static void where_to_listen(void **state)
{
	static const struct {
		const char *listen, *address;
		unsigned short port;
	} CASES[] = { { "127.0.0.1:9477", "127.0.0.1", 9477 },
		      { "[::1]:80", "::1", 80 },
		      { ":9477", "::", 9477 },
		      { "0.0.0.0:1", "0.0.0.0", 1 } };
	static const char *const BAD[] = { "", "9477", "host", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", ":-1" };
	unsigned short port;
	char address[LISTEN_ADDRESS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		assert_int_equal(listen_parse(CASES[i].listen, address, &port), 0);
		assert_string_equal(address, CASES[i].address);
		assert_int_equal(port, CASES[i].port);
	}
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++)
		assert_int_equal(listen_parse(BAD[i], address, &port), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(where_to_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
