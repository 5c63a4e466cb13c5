/* Kernel modules now and at boot; kernel settings raised now and at boot, never lowered. */
#include <ctype.h>

#include "base/lines.h"
#include "base/units.h"
#include "step/table.h"

#define MODULES_FILE "/etc/modules-load.d/berth.conf"
/* Behind Sysbox's own 99-sysbox-sysctl.conf, which may set less than this host already had. */
#define SYSCTL_FILE "/etc/sysctl.d/99-zz-berth.conf"

static const struct {
	const char *name;
	bool required;
} MODULES[] = {
	{ "overlay", true }, { "fuse", true },	   { "loop", true },
	{ "xfs", true },     { "configfs", false }, { "vxlan", false },
	/* sysbox-runc mounts its parameters into every sandbox, and fails where they are not there. Docker loads it. */
	{ "nf_conntrack", false },
};

/* What Sysbox's package asks for (its sysctl.d file), and vm.max_map_count for Kubernetes inside. */
static const struct {
	const char *key;
	int64_t at_least;
} SETTINGS[] = {
	{ "kernel.unprivileged_userns_clone", 1 },
	{ "fs.inotify.max_queued_events", 1048576 },
	{ "fs.inotify.max_user_watches", 1048576 },
	{ "fs.inotify.max_user_instances", 1048576 },
	{ "kernel.keys.maxkeys", 20000 },
	{ "kernel.keys.maxbytes", 1400000 },
	{ "kernel.pid_max", 4194304 },
	{ "vm.max_map_count", 262144 },
	{ "user.max_user_namespaces", 16384 },
};

/* "kernel/fs/fuse/fuse.ko.xz: what it needs": is this line about that module? */
static int is_about(void *userdata, const char *line, size_t len)
{
	const char *name = userdata;
	const char *colon = memchr(line, ':', len);
	_cleanup_free_ char *file = strndup(line, colon ? (size_t)(colon - line) : len);
	const char *slash = file ? strrchr(file, '/') : NULL;
	size_t n = strlen(name);

	return slash && strncmp(slash + 1, name, n) == 0 && strncmp(slash + 1 + n, ".ko", 3) == 0;
}

/* Listed in modules.dep or modules.builtin of the running kernel? */
static bool listed(const struct step_context *ctx, const char *list, const char *name)
{
	_cleanup_free_ char *path = xasprintf("/lib/modules/%s/%s", ctx->os.kernel, list);
	_cleanup_free_ char *wanted = strdup(name);
	_cleanup_fd_ int fd = path && wanted ? host_open(ctx->host, path, 0, 0) : -ENOMEM;

	return fd >= 0 && lines_read_fd(fd, is_about, wanted) > 0;
}

static bool available(const struct step_context *ctx, const char *name)
{
	_cleanup_free_ char *dir = xasprintf("/sys/module/%s", name);

	return (dir && host_exists(ctx->host, dir)) || listed(ctx, "modules.dep", name) ||
	       listed(ctx, "modules.builtin", name);
}

static int plan_modules(struct step_context *ctx, struct plan *plan, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	int r = 0;

	strbuf_puts(&text, "# Written by berth: modules that sandboxes need.\n");
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(MODULES); i++) {
		const char *name = MODULES[i].name;

		if (!MODULES[i].required && !available(ctx, name))
			continue;
		strbuf_printf(&text, "%s\n", name);
		r = plan_add(plan, &ctx->change, &change_module, name, json_object(), NULL, NULL,
			     err);
	}
	if (r >= 0)
		r = plan_file(plan, &ctx->change, MODULES_FILE, strbuf_str(&text), 0644,
			      "modules at every boot", err);
	strbuf_release(&text);
	return r;
}

static bool setting_now(const struct host *host, const char *key, int64_t *ret)
{
	_cleanup_free_ char *path = xasprintf("/proc/sys/%s", key);
	_cleanup_free_ char *text = NULL;

	for (char *p = path ? path + 10 : NULL; p && *p; p++) {
		if (*p == '.')
			*p = '/';
	}
	if (!path || host_read(host, path, 4096, &text, NULL) < 0)
		return false;
	text[strcspn(text, " \t\n")] = '\0';
	return i64_parse(text, ret) == 0;
}

/* The value our file gives the key at boot already. */
static int64_t value_in(const char *file, const char *key)
{
	_cleanup_free_ char *needle = xasprintf("\n%s = ", key);
	const char *at = file && needle ? strstr(file, needle) : NULL;
	_cleanup_free_ char *number = NULL;
	int64_t value;

	if (!at)
		return -1;
	at += strlen(needle);
	number = strndup(at, strcspn(at, "\n"));
	return number && i64_parse(number, &value) == 0 ? value : -1;
}

static int plan_settings(struct step_context *ctx, struct plan *plan, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *file = NULL;
	int r = 0;

	(void)host_read(ctx->host, SYSCTL_FILE, 65536, &file, NULL);
	strbuf_puts(&text, "# Written by berth: settings that sandboxes need; raised, never lowered.\n");
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(SETTINGS); i++) {
		int64_t wanted = SETTINGS[i].at_least;
		int64_t kept = value_in(file, SETTINGS[i].key);
		int64_t now;

		if (!setting_now(ctx->host, SETTINGS[i].key, &now))
			continue;
		/* A host that had more keeps it at boot, whatever other files say. */
		strbuf_printf(&text, "%s = %" PRId64 "\n", SETTINGS[i].key,
			      MAX_OF(kept, MAX_OF(now, wanted)));
		r = plan_add(plan, &ctx->change, &change_sysctl, SETTINGS[i].key,
			     json_pack("{s:I}", "at_least", (json_int_t)wanted), NULL, NULL, err);
	}
	if (r >= 0)
		r = plan_file(plan, &ctx->change, SYSCTL_FILE, strbuf_str(&text), 0644,
			      "settings at every boot", err);
	strbuf_release(&text);
	return r;
}

static int plan_kernel(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = plan_modules(ctx, plan, err);

	return r < 0 ? r : plan_settings(ctx, plan, err);
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	size_t low = 0;

	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(SETTINGS); i++) {
		int64_t now;

		if (setting_now(ctx->host, SETTINGS[i].key, &now) && now < SETTINGS[i].at_least) {
			report_add(report, "kernel.settings", CHECK_FAIL, "run berth install",
				   "%s is %" PRId64 ", sandboxes need %" PRId64, SETTINGS[i].key, now,
				   SETTINGS[i].at_least);
			low++;
		}
	}
	if (!low)
		report_add(report, "kernel.settings", CHECK_PASS, NULL,
			   "kernel settings are at least what sandboxes need");
	return 0;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	(void)err;
	(void)ret_verdict;
	strbuf_printf(ret, "Linux %s, %s", ctx->os.kernel, ctx->os.arch);
	return 0;
}

const struct step step_kernel = {
	.name = "kernel",
	.summary = "modules and settings that sandboxes need",
	.probe = probe,
	.plan = plan_kernel,
	.verify = verify,
};
