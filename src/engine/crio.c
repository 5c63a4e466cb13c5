#include "engine/crio.h"

#include "base/strbuf.h"
#include "engine/containerd_config.h"
#include "engine/http.h"
#include "host/packages.h"

#define DUMP_CAP ((size_t)4 << 20)

char *crio_version_of(const char *output)
{
	static const char BEGIN[] = "crio version ";
	const char *v = output + sizeof(BEGIN) - 1;
	size_t n;

	if (strncmp(output, BEGIN, sizeof(BEGIN) - 1) != 0)
		return NULL;
	n = strcspn(v, " \n");
	return n && *v >= '0' && *v <= '9' ? strndup(v, n) : NULL;
}

/* `time="..." level=fatal msg="words \"quoted\" so"`: the words. free() it; NULL: the line has none. */
static char *message_of(const char *line, size_t len)
{
	static const char BEGIN[] = " msg=\"";
	const char *at = memmem(line, len, BEGIN, sizeof(BEGIN) - 1), *end = line + len;
	_cleanup_(strbuf_release) struct strbuf words = STRBUF_INIT;

	for (at = at ? at + sizeof(BEGIN) - 1 : end; at < end && *at != '"'; at++) {
		if (*at == '\\' && at + 1 < end)
			at++;
		strbuf_putc(&words, *at);
	}
	return strbuf_steal(&words);
}

char *crio_complaint(const char *output)
{
	const char *last = "", *fatal = NULL;
	size_t last_len = 0, fatal_len = 0;
	char *words;

	for (const char *line = output, *end; *line; line = *end ? end + 1 : end) {
		size_t len;

		end = strchrnul(line, '\n');
		len = (size_t)(end - line);
		if (len) {
			last = line;
			last_len = len;
		}
		if (memmem(line, len, "level=fatal ", 12)) {
			fatal = line;
			fatal_len = len;
		}
	}
	words = fatal ? message_of(fatal, fatal_len) : NULL;
	return words ? words : strndup(last, last_len);
}

/* In the words of a CRI-O that was shown a copy of the folder, the folder. */
static char *with_name(const char *words, const char *copy, const char *name)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *found;

	while ((found = strstr(words, copy))) {
		strbuf_add(&text, words, (size_t)(found - words));
		strbuf_puts(&text, name);
		words = found + strlen(copy);
	}
	strbuf_puts(&text, words);
	return strbuf_steal(&text);
}

bool crio_ends_pods(const struct host *host, const char *version)
{
	_cleanup_free_ char *noted = NULL, *minor = NULL;
	const char *dot = strchr(version, '.');

	if (!dot || host_read(host, CRIO_VERSION_FILE, 256, &noted, NULL) < 0)
		return true;
	minor = strndup(version, (size_t)(dot + 1 - version) + strcspn(dot + 1, "."));
	return !minor || *noted != '"' || !package_version_is_of(noted + 1, minor);
}

int crio_dump(const struct host *host, const char *program, const char *drop_ins, const char *name, char **ret,
	      struct error *err)
{
	const char *const argv[] = { program, "--config-dir", drop_ins, "config", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000, .output_cap = DUMP_CAP };
	_cleanup_free_ char *words = NULL, *named = NULL;
	int r = host_run(host, argv, &options, &result, err);

	if (r < 0)
		return r;
	if (result.exit_code == 0) {
		*ret = strdup(strbuf_str(&result.out));
		return *ret ? 0 : error_errno(err, ENOMEM, "read '%s'", drop_ins);
	}
	words = crio_complaint(strbuf_str(&result.err));
	named = words ? with_name(words, drop_ins, name) : NULL;
	return error_set(err, EPROTO, "CRI-O refuses its settings: %.700s", named && *named ? named : "it does not say why");
}

int crio_running_config(const char *socket, char **ret, struct error *err)
{
	const struct http_request request = { .url = "/config", .socket_path = socket, .timeout_ms = 20000, .body_cap = DUMP_CAP };
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	int r = http_request(&request, &response, err);

	if (r < 0)
		return r;
	if (response.status != 200)
		return error_set(err, EPROTO, "CRI-O does not tell its settings: status %ld", response.status);
	*ret = strdup(strbuf_str(&response.body));
	return *ret ? 0 : error_errno(err, ENOMEM, "read CRI-O's settings");
}

/* "# key = value" and "# [table]" of defaults without the mark; whole sentences stay comments. */
static int uncomment(const char *dump, struct strbuf *ret)
{
	for (const char *line = dump, *next; *line; line = next) {
		const char *end = strchrnul(line, '\n');
		const char *text = line + strspn(line, "# \t");
		size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789");
		bool is_key = word && strncmp(text + word, " = ", 3) == 0;
		bool is_table = strncmp(text, "[crio", 5) == 0 && end[-1] == ']';

		next = *end ? end + 1 : end;
		if (text < end && (is_key || is_table))
			strbuf_printf(ret, "%.*s\n", (int)(end - text), text);
	}
	return strbuf_failed(ret) ? -ENOMEM : 0;
}

char *crio_dump_value(const char *dump, const char *table, const char *key)
{
	_cleanup_(strbuf_release) struct strbuf plain = STRBUF_INIT;

	return uncomment(dump, &plain) < 0 ? NULL : containerd_dump_value(strbuf_str(&plain), table, key);
}

static char *of_runtime(const char *dump, const char *handler, const char *key)
{
	_cleanup_free_ char *table = xasprintf("crio.runtime.runtimes.%s", handler);

	return table ? crio_dump_value(dump, table, key) : NULL;
}

char *crio_dump_runtime(const char *dump, const char *handler)
{
	return of_runtime(dump, handler, "runtime_path");
}

/*
 * The monitor in the pod's own cgroup: it is the pod's to pay for, and a restart of CRI-O does not reach it. Of a default
 * handler of another type (conmon-rs, a VM's shim) it is another program than "oci" takes.
 */
char *crio_drop_in(const char *handler, const char *runtime, const char *dump)
{
	_cleanup_free_ char *standard = dump ? crio_dump_value(dump, "crio.runtime", "default_runtime") : NULL;
	_cleanup_free_ char *monitor = standard ? of_runtime(dump, standard, "monitor_path") : NULL;
	_cleanup_free_ char *type = standard ? of_runtime(dump, standard, "runtime_type") : NULL;
	bool same = !type || !*type || strcmp(type, "oci") == 0;
	_cleanup_free_ char *line = monitor && *monitor && same ? xasprintf("monitor_path = \"%s\"\n", monitor) :
								  strdup("");

	if (!line)
		return NULL;
	return xasprintf("# Written by berth: pods with the runtime class of this handler are sandboxes.\n"
			 "[crio.runtime.runtimes.%s]\n"
			 "runtime_path = \"%s\"\n"
			 "runtime_type = \"oci\"\n"
			 "runtime_root = \"/run/%s\"\n"
			 "%s"
			 "monitor_cgroup = \"pod\"\n",
			 handler, runtime, handler, line);
}

bool crio_has_drop_in(const char *config, const char *drop_in, const char *handler)
{
	/* An old setting of all monitors has the last word on some (cri-o: TranslateMonitorFieldsForHandler). */
	static const struct {
		const char *key, *of_all;
	} KEYS[] = {
		{ "runtime_path", NULL },
		{ "runtime_type", NULL },
		{ "runtime_root", NULL },
		{ "monitor_path", "conmon" },
		{ "monitor_cgroup", "conmon_cgroup" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		_cleanup_free_ char *wanted = of_runtime(drop_in, handler, KEYS[i].key);
		_cleanup_free_ char *has = of_runtime(config, handler, KEYS[i].key);
		_cleanup_free_ char *of_all = KEYS[i].of_all ? crio_dump_value(config, "crio.runtime", KEYS[i].of_all) : NULL;

		if (wanted && !(of_all && *of_all) && (!has || strcmp(has, wanted) != 0))
			return false;
	}
	return true;
}
