/* Input: dockerd's command line, as systemctl shows it or plain. Names and values of equal number.
 */
#include "step/daemon_flags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_flag(const struct daemon_flags *flags, size_t i, const char *text)
{
	const char *name = flags->names.items[i], *value = flags->values.items[i];
	const char *found = daemon_flags_find(flags, name);

	must(found != NULL);
	must(!strpbrk(name, " \t") && !strpbrk(value, " \t"));
	must(strstr(text, value) || strcmp(value, "true") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };
	_cleanup_free_ char *text = malloc(size + 1);
	struct error err = ERROR_INIT;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	must(daemon_flags_parse(text, &flags, &err) == 0);
	must(flags.names.len == flags.values.len && flags.names.len <= size);
	for (size_t i = 0; i < flags.names.len; i++)
		check_flag(&flags, i, text);
	must(!daemon_flags_find(&flags, "no such flag"));
	return 0;
}
