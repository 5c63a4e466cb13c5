/* Input: the text of an os-release file. What it says within its bounds, or an error with a line.
 */
#include "host/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(os_clear) struct os os = { 0 };
	struct error err = ERROR_INIT;
	int r = os_parse((const char *)data, size, &os, &err);

	must(r == -err.code);
	if (r < 0) {
		must(r == -EINVAL && strstr(err.message, "line ") && !os.id);
		return 0;
	}
	must(os.id && os.version && os.codename && os.pretty);
	must(strlen(os.id) + strlen(os.version) + strlen(os.codename) + strlen(os.pretty) <= size);
	must(!strchr(os.id, '\n') && !strchr(os.pretty, '\n'));
	must(os_is(&os, os.id));
	strv_foreach (&os.like, i, like)
		must(*like && !strchr(like, ' ') && os_is(&os, like));
	must(os.packages != PACKAGES_APT || os_is(&os, "debian") || os_is(&os, "ubuntu"));
	return 0;
}
