/*
 * Input: a containerd config.toml. An import that is added is there, all other bytes are, and dropping it brings the file back;
 * a key above the tables is never in the way of it.
 */
#include "engine/containerd_config.h"

#define PATH	"/etc/containerd/config.toml"
#define PATTERN "/etc/containerd/berth.d/*.toml"
#define DROP_IN "/etc/containerd/berth.d/50-berth.toml"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT, again = CONTAINERD_CONFIG_INIT;
	_cleanup_(strbuf_release) struct strbuf added = STRBUF_INIT;
	_cleanup_free_ char *text = strndup((const char *)data, size), *value = NULL;
	_cleanup_(strv_release) struct strv tables = STRV_INIT;
	struct error err = ERROR_INIT;
	size_t len;

	must(text);
	len = strlen(text);
	value = containerd_dump_value(text, "plugins.'io.containerd.cri.v1.images'.registry", "config_path");
	must(!value || strlen(value) <= len);
	must(containerd_dump_tables(text, "plugins.'io.containerd.cri.v1.images'.registry.mirrors", &tables) == 0);
	if (containerd_config_read(text, len, PATH, &config, &err) < 0) {
		must(*err.message);
		return 0;
	}
	must(config.insert_at <= len && config.array_at <= len && config.last_end <= len);
	if (containerd_config_imports(&config, PATH, DROP_IN))
		return 0;
	must(containerd_config_add(text, len, &config, PATTERN, &added) >= 0);
	must(added.len > len);
	must(containerd_config_read(strbuf_str(&added), added.len, PATH, &again, &err) == 0);
	must(containerd_config_imports(&again, PATH, DROP_IN));
	must(again.imports.len == config.imports.len + 1);
	return 0;
}
