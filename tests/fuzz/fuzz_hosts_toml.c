/* Input: the text of a hosts.toml. What is taken of it is taken by whole names, without quotes or line ends. */
#include "base/strbuf.h"
#include "engine/hosts_toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(registry_hosts_release) struct registry_hosts hosts = REGISTRY_HOSTS_INIT;
	_cleanup_free_ char *text = strndup((const char *)data, size);

	must(text);
	must(hosts_toml_read(text, &hosts) == 0);
	must(hosts.len <= strlen(text));
	must(!hosts.server || !strpbrk(hosts.server, "/\n"));
	for (size_t i = 0; i < hosts.len; i++)
		must(hosts.mirrors[i].host && !strpbrk(hosts.mirrors[i].host, "/\n"));
	return 0;
}
