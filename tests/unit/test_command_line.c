#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "runc/command_line.h"

#include <cmocka.h>

#define LINE(...) (char *[]){ (char[]){ "berth-runc" }, __VA_ARGS__, NULL }
#define W(text)	  (char[]){ text }

static void assert_same(const char *a, const char *b)
{
	if (!a || !b)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void as_engines_write_them(void **state)
{
	const struct {
		char **argv;
		struct command_line line;
	} TABLE[] = {
		{ LINE(W("--root"), W("/r"), W("--log"), W("/l"), W("--log-format"), W("json"), W("create"),
		       W("--bundle"), W("/b"), W("--pid-file"), W("/p"), W("c1")),
		  { "create", "c1", "/r", "/l", "json", "/b" } },
		{ LINE(W("--root=/r"), W("--systemd-cgroup"), W("start"), W("c1")),
		  { "start", "c1", "/r", NULL, NULL, NULL } },
		{ LINE(W("-root"), W("/r"), W("create"), W("-b"), W("/b"), W("c1")),
		  { "create", "c1", "/r", NULL, NULL, "/b" } },
		{ LINE(W("create"), W("--bundle=/b"), W("--no-pivot"), W("--preserve-fds"), W("3"), W("c1")),
		  { "create", "c1", NULL, NULL, NULL, "/b" } },
		{ LINE(W("delete"), W("-f"), W("c1")), { "delete", "c1", NULL, NULL, NULL, NULL } },
		{ LINE(W("delete"), W("--force"), W("c1")), { "delete", "c1", NULL, NULL, NULL, NULL } },
		{ LINE(W("kill"), W("--all"), W("c1"), W("9")), { "kill", "c1", NULL, NULL, NULL, NULL } },
		{ LINE(W("features")), { "features", NULL, NULL, NULL, NULL, NULL } },
		{ LINE(W("--version")), { NULL, NULL, NULL, NULL, NULL, NULL } },
		{ LINE(W("--log")), { NULL, NULL, NULL, NULL, NULL, NULL } },
		{ LINE(W("create"), W("--bundle")), { "create", NULL, NULL, NULL, NULL, NULL } },
		{ LINE(W("--unknown"), W("start"), W("-")), { "start", "-", NULL, NULL, NULL, NULL } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct command_line line = command_line_read(TABLE[i].argv);

		assert_same(line.verb, TABLE[i].line.verb);
		assert_same(line.id, TABLE[i].line.id);
		assert_same(line.root, TABLE[i].line.root);
		assert_same(line.log, TABLE[i].line.log);
		assert_same(line.log_format, TABLE[i].line.log_format);
		assert_same(line.bundle, TABLE[i].line.bundle);
	}
}

static void nothing_at_all(void **state)
{
	char *argv[] = { NULL };

	assert_null(command_line_read(argv).verb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_engines_write_them),
		cmocka_unit_test(nothing_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
