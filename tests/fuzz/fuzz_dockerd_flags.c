/* Input: dockerd's command line, as systemctl shows it or plain. Names and values of equal number.
 */
#include "step/dockerd_flags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check_flag(const struct dockerd_flags *flags, size_t i, const char *text)
{
	const char *name = flags->names.items[i], *value = flags->values.items[i];
	const char *found = dockerd_flags_find(flags, name);

	must(found != NULL);
	must(!strpbrk(name, " \t") && !strpbrk(value, " \t"));
	must(strstr(text, value) || strcmp(value, "true") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(dockerd_flags_release) struct dockerd_flags flags = { 0 };
	_cleanup_free_ char *text = malloc(size + 1);
	struct error err = ERROR_INIT;

	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	must(dockerd_flags_parse(text, &flags, &err) == 0);
	must(flags.names.len == flags.values.len && flags.names.len <= size);
	for (size_t i = 0; i < flags.names.len; i++)
		check_flag(&flags, i, text);
	must(!dockerd_flags_find(&flags, "no such flag"));
	return 0;
}
