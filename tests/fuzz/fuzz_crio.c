/*
 * Input: what `crio config` printed, or what it complained of. A drop-in made of any dump is of one handler, and a CRI-O that
 * read that drop-in alone has it.
 */
#include "base/strbuf.h"
#include "engine/crio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *dump = strndup((const char *)data, size), *text = NULL, *runtime = NULL, *words = NULL, *version = NULL;

	must(dump);
	text = crio_drop_in("sysbox-runc", "/x/berth-runc", dump);
	must(text);
	runtime = crio_dump_runtime(text, "sysbox-runc");
	must(runtime && strcmp(runtime, "/x/berth-runc") == 0);
	must(crio_has_drop_in(text, text, "sysbox-runc"));
	words = crio_complaint(dump);
	must(words && strlen(words) <= size);
	version = crio_version_of(dump);
	must(!version || strlen(version) < size);
	return 0;
}
