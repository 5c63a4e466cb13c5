/* Input: two files of a unit, a zero byte between them. What is in force is one line of one of them. */
#include "base/strbuf.h"
#include "host/unit_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(unit_command_release) struct unit_command command = UNIT_COMMAND_INIT;
	_cleanup_free_ char *first = strndup((const char *)data, size);
	size_t len = first ? strlen(first) : 0;
	_cleanup_free_ char *second = len < size ? strndup((const char *)data + len + 1, size - len - 1) : NULL;

	must(first);
	must(unit_command_add(&command, first) == 0);
	must(!second || unit_command_add(&command, second) == 0);
	must(command.count <= command.lines);
	must(!command.text == !command.count);
	must(!command.text || (*command.text && !strchr(command.text, '\n')));
	must(!command.text || strlen(command.text) <= size);
	return 0;
}
