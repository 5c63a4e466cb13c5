#include "engine/containerd.h"

#define RKE2_DIR "/var/lib/rancher/rke2/agent/etc/containerd"
#define K3S_DIR	 "/var/lib/rancher/k3s/agent/etc/containerd"
#define DUMP_CAP ((size_t)4 << 20)
#define AGENT	 "its kubelet"
#define SERVER	 "its kubelet and its API server"

/* Those that bring their own come first: the stock one may lie beside them, unused. */
const struct containerd_layout containerd_layouts[] = {
	{ .name = "k3s",
	  .units = { { "k3s.service", SERVER }, { "k3s-agent.service", AGENT } },
	  .program = "/var/lib/rancher/k3s/data/current/bin/containerd",
	  .config = K3S_DIR "/config.toml",
	  .drop_ins = K3S_DIR "/config-v3.toml.d",
	  .socket = "/run/k3s/containerd/containerd.sock",
	  .generated = true },
	{ .name = "RKE2",
	  .units = { { "rke2-server.service", SERVER }, { "rke2-agent.service", AGENT } },
	  .program = "/var/lib/rancher/rke2/bin/containerd",
	  .config = RKE2_DIR "/config.toml",
	  .drop_ins = RKE2_DIR "/config-v3.toml.d",
	  .socket = "/run/k3s/containerd/containerd.sock",
	  .generated = true },
	{ .name = "k0s",
	  .units = { { "k0sworker.service", AGENT }, { "k0scontroller.service", SERVER } },
	  .program = "/var/lib/k0s/bin/containerd",
	  .config = "/etc/k0s/containerd.toml",
	  .drop_ins = "/etc/k0s/containerd.d",
	  .socket = "/run/k0s/containerd.sock",
	  .generated = true },
	{ .name = "MicroK8s",
	  .units = { { "snap.microk8s.daemon-containerd.service", NULL } },
	  .program = "/snap/microk8s/current/bin/containerd",
	  .config = "/var/snap/microk8s/current/args/containerd-template.toml",
	  .drop_ins = "/etc/containerd/conf.d",
	  .socket = "/var/snap/microk8s/common/run/containerd.sock" },
	{ .name = "stock",
	  .units = { { "containerd.service", NULL } },
	  .config = "/etc/containerd/config.toml",
	  .drop_ins = "/etc/containerd/conf.d",
	  .socket = CONTAINERD_SOCKET },
	{ .name = NULL },
};

const char *containerd_cri_plugin(unsigned version)
{
	return version == 2 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime";
}

char *containerd_version_of(const char *output)
{
	const char *v = strstr(output, " v");
	size_t n;

	if (strncmp(output, "containerd ", 11) != 0)
		return NULL;
	/* Debian's has no "v" before its number. */
	v = v ? v + 2 : output + 11 + strcspn(output + 11, " ");
	v += strspn(v, " ");
	n = strcspn(v, " \n");
	return n && *v >= '0' && *v <= '9' ? strndup(v, n) : NULL;
}

/*
 * Without the two lists a pod's own annotations do not reach its bundle, and berth.dev/disk is one. Quotes are
 * literal ones, as containerd's own dumps have them.
 */
char *containerd_drop_in(const struct containerd_handler *handler)
{
	unsigned version = handler->version == 2 ? 2 : MAX_OF(handler->version, 3U);
	const char *plugin = containerd_cri_plugin(version);

	return xasprintf("# Written by berth: pods with the runtime class of this handler are sandboxes.\n"
			 "version = %u\n"
			 "\n"
			 "[plugins.'%s'.containerd.runtimes.%s]\n"
			 "runtime_type = 'io.containerd.runc.v2'\n"
			 "pod_annotations = ['berth.dev/*']\n"
			 "container_annotations = ['berth.dev/*']\n"
			 "\n"
			 "[plugins.'%s'.containerd.runtimes.%s.options]\n"
			 "BinaryName = '%s'\n"
			 "SystemdCgroup = %s\n",
			 version, plugin, handler->name, plugin, handler->name, handler->runtime,
			 handler->systemd_cgroup ? "true" : "false");
}

int containerd_dump(const struct host *host, const char *program, const char *config, char **ret, struct error *err)
{
	const char *const argv[] = { program, "--config", config, "config", "dump", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000, .output_cap = DUMP_CAP };
	int r = host_check(host, argv, &options, &result, err);

	if (r < 0)
		return error_context(err, "containerd does not understand '%s'", config);
	*ret = strbuf_steal(&result.out);
	return *ret ? 0 : error_errno(err, ENOMEM, "read '%s'", config);
}

/* Of whatever version: a dump is of the newest that its containerd knows. */
static char *cri_value(const char *dump, const char *below, const char *key)
{
	for (unsigned version = 2; version <= 3; version++) {
		_cleanup_free_ char *table = xasprintf("plugins.'%s'.containerd%s", containerd_cri_plugin(version), below);
		char *value = table ? containerd_dump_value(dump, table, key) : NULL;

		if (value)
			return value;
	}
	return NULL;
}

char *containerd_dump_runtime(const char *dump, const char *handler)
{
	_cleanup_free_ char *options = xasprintf(".runtimes.%s.options", handler);
	_cleanup_free_ char *table = xasprintf(".runtimes.%s", handler);
	char *value = options ? cri_value(dump, options, "BinaryName") : NULL;
	char *type;

	if (value || !table)
		return value;
	/* A handler whose shim has no such option. */
	type = cri_value(dump, table, "runtime_type");
	return type;
}

/* What the drop-in says, by its names in TOML and in what a running containerd tells (internal/cri/config: Runtime). */
static const struct setting {
	const char *key, *told;
	bool option;
} SETTINGS[] = {
	{ "runtime_type", "runtimeType", false },
	{ "pod_annotations", "PodAnnotations", false },
	{ "container_annotations", "ContainerAnnotations", false },
	{ "BinaryName", "BinaryName", true },
	{ "SystemdCgroup", "SystemdCgroup", true },
};

static char *setting_of(const char *dump, const char *handler, const struct setting *s)
{
	_cleanup_free_ char *table = xasprintf(".runtimes.%s%s", handler, s->option ? ".options" : "");

	return table ? cri_value(dump, table, s->key) : NULL;
}

/* The next text of a list as TOML has it, without its quotes; NULL: no more. */
static const char *next_item(const char **at, size_t *ret_len)
{
	const char *item = *at + strcspn(*at, "'\"");

	if (!*item)
		return NULL;
	*ret_len = strcspn(item + 1, *item == '"' ? "\"" : "'");
	*at = item + 1 + *ret_len + (item[1 + *ret_len] != '\0');
	return item + 1;
}

static bool list_has(const char *list, const char *text, size_t len)
{
	const char *item;
	size_t n;

	while ((item = next_item(&list, &n))) {
		if (n == len && memcmp(item, text, len) == 0)
			return true;
	}
	return false;
}

static bool is_as_wanted(const char *has, const char *wanted)
{
	const char *item;
	size_t n;

	if (*wanted != '[')
		return strcmp(has, wanted) == 0;
	while ((item = next_item(&wanted, &n))) {
		if (!list_has(has, item, n))
			return false;
	}
	return true;
}

const char *containerd_dump_differs(const char *dump, const char *drop_in, const char *handler)
{
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++) {
		_cleanup_free_ char *wanted = setting_of(drop_in, handler, &SETTINGS[i]);
		_cleanup_free_ char *has = setting_of(dump, handler, &SETTINGS[i]);

		if (wanted && has && !is_as_wanted(has, wanted))
			return SETTINGS[i].key;
	}
	return NULL;
}

/* As a dump would have it; a list that is null is one that was never set. */
static char *text_of(const json_t *value)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "true" : "false");
	strbuf_putc(&text, '[');
	json_array_foreach (value, i, item)
		strbuf_printf(&text, "%s'%s'", i ? ", " : "", json_is_string(item) ? json_string_value(item) : "");
	strbuf_putc(&text, ']');
	return strbuf_steal(&text);
}

/* NULL: it does not tell. Options are told as they were set: one that was not is the default, off. */
static char *told_of(const json_t *runtime, const struct setting *s)
{
	const json_t *options = json_object_get(runtime, "options");
	const json_t *value = json_object_get(s->option ? options : runtime, s->told);

	return value ? text_of(value) : s->option && options ? strdup("false") : NULL;
}

static const json_t *runtimes_of(const json_t *config)
{
	return json_object_get(json_object_get(config, "containerd"), "runtimes");
}

bool containerd_has_drop_in(const json_t *config, const char *drop_in, const char *handler)
{
	const json_t *runtimes = runtimes_of(config), *runtime = json_object_get(runtimes, handler);

	for (size_t i = 0; runtime && i < ARRAY_SIZE(SETTINGS); i++) {
		_cleanup_free_ char *wanted = setting_of(drop_in, handler, &SETTINGS[i]);
		_cleanup_free_ char *has = told_of(runtime, &SETTINGS[i]);

		if (wanted && has && !is_as_wanted(has, wanted))
			return false;
	}
	return !runtimes || runtime;
}

bool containerd_has_runtime(const json_t *config, const char *handler, const char *runtime)
{
	const json_t *runtimes = runtimes_of(config);
	const char *has = json_get_string(json_object_get(json_object_get(runtimes, handler), "options"), "BinaryName");

	return !runtimes || (has && strcmp(has, runtime) == 0);
}

bool containerd_dump_systemd_cgroup(const char *dump)
{
	_cleanup_free_ char *name = cri_value(dump, "", "default_runtime_name");
	_cleanup_free_ char *options = xasprintf(".runtimes.%s.options", name && *name ? name : "runc");
	_cleanup_free_ char *value = options ? cri_value(dump, options, "SystemdCgroup") : NULL;

	return value && strcmp(value, "true") == 0;
}
