/* Sysbox CE: its pinned package, and how systemd starts it. */
#include "change/packages.h"
#include "step/layout.h"
#include "step/pins.h"
#include "step/table.h"

#define PACKAGE "sysbox-ce"

/* Does an installed version of the package ("0.7.1.linux") stand for that release ("0.7.1")? */
static bool is_release(const char *installed, const char *release)
{
	size_t n = strlen(release);

	return strncmp(installed, release, n) == 0 && (installed[n] < '0' || installed[n] > '9') &&
	       !(installed[n] == '.' && installed[n + 1] >= '0' && installed[n + 1] <= '9');
}

/* 1: to be installed, 0: fine as it is. */
static int wanted(const struct step_context *ctx, struct error *err)
{
	const struct package *now = package_db_find(&ctx->facts.packages, PACKAGE);
	const char *release = ctx->spec->sysbox.version;
	_cleanup_free_ char *binary = NULL;

	/* Its files are there, and it is not: of a transaction that was cut off. */
	if (now && now->broken)
		return 1;
	if (!now || !now->installed) {
		binary = host_find_program(ctx->host, RUNTIME_NAME);
		if (!binary || ctx->spec->sysbox.other_version == SYSBOX_KEEP)
			return !binary;
		return error_set(err, EEXIST,
				 "'%s' is there but not from a package: remove it, or set "
				 "sysbox.other_version to 'keep'",
				 binary);
	}
	if (is_release(now->version, release) || ctx->spec->sysbox.other_version == SYSBOX_KEEP)
		return 0;
	if (ctx->spec->sysbox.other_version == SYSBOX_UPGRADE)
		return package_version_compare(now->version, release) < 0;
	return 1;
}

static int plan_package(struct step_context *ctx, struct plan *plan, struct error *err)
{
	const char *arch = os_deb_arch(&ctx->os);
	const char *version = ctx->spec->sysbox.version;
	const char *url = ctx->spec->sysbox.url, *sha256 = ctx->spec->sysbox.sha256;
	const char *file = ctx->spec->sysbox.file;
	_cleanup_free_ char *official = NULL;

	if (ctx->bundle_sysbox && !*file)
		return plan_package_file(plan, &ctx->change, PACKAGE, version, "", ctx->bundle_sysbox,
					 ctx->bundle_sysbox_sha256, "Sysbox from the bundle", err);
	if (!arch)
		return error_set(err, EOPNOTSUPP, "Sysbox has no package for '%s'", ctx->os.arch);
	if (!*sha256 && !*url && !*file)
		sha256 = sysbox_pin(version, arch);
	if (!sha256)
		return error_set(err, ENOENT,
				 "berth has no SHA-256 for Sysbox %s on %s: name it in sysbox.sha256, or "
				 "choose one of %s", version, arch, sysbox_pinned_versions());
	if (!*url) {
		official = sysbox_official_url(version, arch);
		url = official;
	}
	if (!url)
		return error_errno(err, ENOMEM, "plan Sysbox");
	return plan_package_file(plan, &ctx->change, PACKAGE, version, url, file, sha256,
				 "Sysbox CE", err);
}

static int plan_packages_needed(struct step_context *ctx, struct plan *plan, struct error *err)
{
	/* fuse3 by name: the package's own "fuse" may resolve to fuse 2, which has no fusermount3. */
	static const char *const NEEDED[] = { "fuse3", NULL };
	int r = wanted(ctx, err);

	if (r <= 0)
		return r;
	r = plan_packages(plan, &ctx->change, &ctx->facts.packages, NEEDED, "Sysbox", err);
	return r < 0 ? r : plan_package(ctx, plan, err);
}

static char *mgr_command(const struct step_context *ctx)
{
	return xasprintf("/usr/bin/sysbox-mgr --log-level %s%s", ctx->spec->sysbox.log_level,
			 ctx->spec->sysbox.inner_image_preload ? "" :
								 " --disable-inner-image-preload");
}

/*
 * Sysbox is not restarted for the sake of a flag: at its start it wipes what sandboxes have in
 * /var/lib/sysbox. So what runs may be older than the settings, and that is said.
 */
static int check_flags(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_free_ char *path = NULL, *running = NULL;
	_cleanup_free_ char *wanted_command = mgr_command(ctx);
	const struct unit_state *u;
	size_t len = 0;
	int r = 0;

	if (!host_exists(ctx->host, "/run/systemd/system"))
		return 0;
	r = context_unit(&ctx->change, "sysbox-mgr.service", &u, err);
	if (r < 0 || u->main_pid <= 0)
		return r;
	path = xasprintf("/proc/%d/cmdline", u->main_pid);
	if (!path || !wanted_command || host_read(ctx->host, path, 65536, &running, &len) < 0)
		return 0;
	for (size_t i = 0; i + 1 < len; i++) {
		if (!running[i])
			running[i] = ' ';
	}
	if (strcmp(running, wanted_command) != 0)
		report_add(report, "sysbox.flags", CHECK_WARN,
			   "stop the sandboxes, then systemctl restart sysbox (it wipes their inner Docker "
			   "data), or wait for the next boot",
			   "sysbox-mgr runs as '%.200s', the settings say '%.200s': in force from its next "
			   "start", running, wanted_command);
	return 0;
}

/* Its flags, and that it never starts on the root disk. */
static int plan_units(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const char GUARD[] = "[Unit]\n"
				    "Requires=" SYSBOX_MOUNT "\n"
				    "After=" SYSBOX_MOUNT "\n"
				    "AssertPathIsMountPoint=" SYSBOX_DATA "\n"
				    "\n"
				    "[Service]\n"
				    "ExecStart=\n";
	_cleanup_free_ char *command = mgr_command(ctx);
	_cleanup_free_ char *mgr =
		command ? xasprintf("# Written by berth.\n%sExecStart=%s\n", GUARD, command) : NULL;
	_cleanup_free_ char *fs = xasprintf(
		"# Written by berth.\n[Service]\nExecStart=\nExecStart=/usr/bin/sysbox-fs --log-level %s\n",
		ctx->spec->sysbox.log_level);
	int r = mgr && fs ? 0 : error_errno(err, ENOMEM, "plan Sysbox's units");

	if (r == 0)
		r = plan_file(plan, &ctx->change, UNIT_DIR "/sysbox-mgr.service.d/" DROPIN, mgr, 0644,
			      "flags, and never on the root disk", err);
	if (r >= 0)
		r = plan_file(plan, &ctx->change, UNIT_DIR "/sysbox-fs.service.d/" DROPIN, fs, 0644,
			      "flags", err);
	return r;
}

static int plan_sysbox(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = plan_packages_needed(ctx, plan, err);

	return r < 0 ? r : plan_units(ctx, plan, err);
}

static int probe(struct step_context *ctx, struct strbuf *ret, struct error *err)
{
	const struct package *now = package_db_find(&ctx->facts.packages, PACKAGE);
	const struct unit_state *u;
	int r = context_unit(&ctx->change, "sysbox-mgr.service", &u, err);

	if (r < 0)
		return r;
	if (!now || !now->installed)
		strbuf_puts(ret, "not installed");
	else
		strbuf_printf(ret, "%s %s, sysbox-mgr %s", PACKAGE, now->version,
			      u->active ? u->active : "unknown");
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	static const char *const UNITS[] = { "sysbox-mgr.service", "sysbox-fs.service",
					     "sysbox.service" };

	if (host_is_rooted(ctx->host)) {
		report_add(report, "sysbox", CHECK_SKIP, NULL, "a folder runs no Sysbox");
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(UNITS); i++) {
		const struct unit_state *u;
		int r = context_unit(&ctx->change, UNITS[i], &u, err);

		if (r < 0)
			return r;
		if (unit_is(u->active, "active"))
			continue;
		report_add(report, "sysbox.running", CHECK_FAIL,
			   "journalctl -u sysbox-mgr -u sysbox-fs; berth install", "%s is %s", UNITS[i],
			   u->active ? u->active : "unknown");
		return 0;
	}
	report_add(report, "sysbox.running", CHECK_PASS, NULL, "sysbox-mgr and sysbox-fs are running");
	return 0;
}

const struct step step_sysbox = {
	.name = "sysbox",
	.summary = "Sysbox CE by its pinned package, and its units",
	.probe = probe,
	.check = check_flags,
	.plan = plan_sysbox,
	.verify = verify,
};
