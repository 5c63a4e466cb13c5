/*
 * Sysbox CE: its pinned package, and how systemd starts it. There is none for RPM systems: there the
 * files of the same .deb are unpacked, and what is installed is what berth's own manifest says.
 */
#include "change/manifest.h"
#include "change/packages.h"
#include "change/unpack.h"
#include "step/layout.h"
#include "step/pins.h"
#include "step/table.h"

/* Does an installed version of the package ("0.7.1.linux") stand for that release ("0.7.1")? */
static bool is_release(const char *installed, const char *release)
{
	size_t n = strlen(release);

	return strncmp(installed, release, n) == 0 && (installed[n] < '0' || installed[n] > '9') &&
	       !(installed[n] == '.' && installed[n + 1] >= '0' && installed[n + 1] <= '9');
}

struct installed {
	char *version; /* NULL: none */
	bool broken;   /* its files are there, and it is not: of a run that was cut off */
};

static void installed_release(struct installed *installed)
{
	free(installed->version);
}

static bool is_unpacked(const struct step_context *ctx)
{
	return ctx->os.packages == PACKAGES_DNF;
}

static int read_installed(const struct step_context *ctx, struct installed *ret, struct error *err)
{
	const struct package *package = package_db_find(&ctx->facts.packages, SYSBOX_PACKAGE);
	_cleanup_json_ json_t *manifest = NULL;
	const char *version = NULL;
	int r;

	*ret = (struct installed){ 0 };
	if (is_unpacked(ctx)) {
		r = manifest_read(ctx->host, SYSBOX_PACKAGE, &manifest, err);
		if (r < 0)
			return r;
		version = json_get_string(manifest, "version");
		ret->broken = manifest && !json_get_bool(manifest, "complete", false);
	} else if (package && package->broken) {
		ret->broken = true;
	} else if (package && package->installed) {
		version = package->version;
	}
	ret->version = version && !ret->broken ? strdup(version) : NULL;
	return version && !ret->broken && !ret->version ? error_errno(err, ENOMEM, "look for Sysbox") : 0;
}

/* 1: to be installed, 0: fine as it is. */
static int wanted(const struct step_context *ctx, const struct installed *now, struct error *err)
{
	const char *release = ctx->spec->sysbox.version;
	_cleanup_free_ char *binary = NULL;

	if (now->broken)
		return 1;
	if (!now->version) {
		binary = host_find_program(ctx->host, RUNTIME_NAME);
		if (!binary || ctx->spec->sysbox.other_version == SYSBOX_KEEP)
			return !binary;
		return error_set(err, EEXIST,
				 "'%s' is there but not from a package: remove it, or set "
				 "sysbox.other_version to 'keep'",
				 binary);
	}
	if (is_release(now->version, release))
		return is_unpacked(ctx); /* the manifest tells whether each file is as it was put there */
	if (ctx->spec->sysbox.other_version == SYSBOX_KEEP)
		return 0;
	if (ctx->spec->sysbox.other_version == SYSBOX_UPGRADE)
		return package_version_compare(now->version, release) < 0;
	return 1;
}

static int plan_deb(struct step_context *ctx, struct plan *plan, const struct package_file *deb,
		    const char *why, struct error *err)
{
	return is_unpacked(ctx) ? plan_unpack(plan, &ctx->change, deb, why, err) :
				  plan_package_file(plan, &ctx->change, deb, why, err);
}

static int plan_package(struct step_context *ctx, struct plan *plan, struct error *err)
{
	const char *arch = os_deb_arch(&ctx->os);
	struct package_file deb = {
		.package = SYSBOX_PACKAGE,
		.version = ctx->spec->sysbox.version,
		.url = ctx->spec->sysbox.url,
		.file = ctx->spec->sysbox.file,
		.sha256 = ctx->spec->sysbox.sha256,
	};
	_cleanup_free_ char *official = NULL;

	if (ctx->bundle_sysbox && !*deb.file) {
		deb.url = "";
		deb.file = ctx->bundle_sysbox;
		deb.sha256 = ctx->bundle_sysbox_sha256;
		return plan_deb(ctx, plan, &deb, "Sysbox from the bundle", err);
	}
	if (!arch)
		return error_set(err, EOPNOTSUPP, "Sysbox has no package for '%s'", ctx->os.arch);
	if (!*deb.sha256 && !*deb.url && !*deb.file)
		deb.sha256 = sysbox_pin(deb.version, arch);
	if (!deb.sha256)
		return error_set(err, ENOENT,
				 "berth has no SHA-256 for Sysbox %s on %s: name it in sysbox.sha256, or "
				 "choose one of %s", deb.version, arch, sysbox_pinned_versions());
	if (!*deb.url) {
		official = sysbox_official_url(deb.version, arch);
		deb.url = official;
	}
	if (!deb.url)
		return error_errno(err, ENOMEM, "plan Sysbox");
	return plan_deb(ctx, plan, &deb, is_unpacked(ctx) ? "its package's files, as there is no RPM" :
							      "Sysbox CE", err);
}

/* What its daemons run, and what unpacks it, where the program is missing: RPM's names differ. */
static int plan_rpms(struct step_context *ctx, struct plan *plan, struct error *err)
{
	bool el8 = strcmp(ctx->os.id, "fedora") != 0 && *ctx->os.version == '8';
	const struct {
		const char *program, *package;
	} needed[] = {
		{ "fusermount3", "fuse3" },
		{ "rsync", "rsync" },
		{ "iptables", el8 ? "iptables" : "iptables-nft" },
		{ "modprobe", "kmod" },
		{ "tar", "tar" },
		{ "xz", "xz" },
	};
	const char *names[ARRAY_SIZE(needed) + 1] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		_cleanup_free_ char *program = host_find_program(ctx->host, needed[i].program);

		if (!program)
			names[n++] = needed[i].package;
	}
	return plan_packages(plan, &ctx->change, &ctx->facts.packages, names, "Sysbox", err);
}

static int plan_needed(struct step_context *ctx, struct plan *plan, struct error *err)
{
	/* fuse3 by name: the package's own "fuse" may resolve to fuse 2, which has no fusermount3. */
	static const char *const NEEDED[] = { "fuse3", NULL };

	return is_unpacked(ctx) ? plan_rpms(ctx, plan, err) :
				  plan_packages(plan, &ctx->change, &ctx->facts.packages, NEEDED,
						"Sysbox", err);
}

/*
 * What runs now would go on without its files, beside a runtime of another release: the package's own scripts must not
 * restart it under a policy against starts, and an unpacked one has none.
 */
static int plan_stop(struct step_context *ctx, struct plan *plan, const struct installed *now, struct error *err)
{
	if (!now->broken && (!now->version || is_release(now->version, ctx->spec->sysbox.version)))
		return 0;
	return plan_add(plan, &ctx->change, &change_stop, SYSBOX_SERVICE, json_pack("{s:b}", "replaced", 1),
			"Sysbox: sandboxes that run go on, and each needs a restart before anybody can exec into it",
			"another release is put in its place", err);
}

static int plan_package_and_needed(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_(installed_release) struct installed now = { 0 };
	int r = read_installed(ctx, &now, err);

	if (r == 0)
		r = wanted(ctx, &now, err);
	if (r <= 0)
		return r;
	r = plan_needed(ctx, plan, err);
	if (r >= 0)
		r = plan_stop(ctx, plan, &now, err);
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
			   "systemctl restart sysbox when no sandbox runs, or wait for the next boot",
			   "sysbox-mgr runs as '%.200s', the settings say '%.200s': in force from its next "
			   "start", running, wanted_command);
	return 0;
}

/*
 * sysbox-mgr removes what is in its data root when it stops and when it starts. This unit starts after it,
 * so that it is stopped before it, with whatever stops it; the start has an ExecStartPre.
 */
static const char STASH_UNIT[] = "# Written by berth: before sysbox-mgr stops, inner data of sandboxes goes\n"
				 "# out of its reach (it removes everything in its data root).\n"
				 "[Unit]\n"
				 "Description=berth stash of sandboxes' inner data\n"
				 "Documentation=man:berth(8)\n"
				 "PartOf=sysbox-mgr.service\n"
				 "After=sysbox-mgr.service " SYSBOX_MOUNT "\n"
				 "Before=docker.service\n"
				 "\n"
				 "[Service]\n"
				 "Type=oneshot\n"
				 "RemainAfterExit=yes\n"
				 "ExecStart=" BERTH_PROGRAM " version\n"
				 "StandardOutput=null\n"
				 "ExecStop=" BERTH_PROGRAM " stash stopping\n"
				 "TimeoutSec=90\n"
				 "\n"
				 "[Install]\n"
				 "WantedBy=sysbox-mgr.service\n";

/*
 * Their flags, and that Sysbox never starts on the root disk, nor before what it would remove is stashed.
 *
 * sysbox-fs (0.7) hangs in one of some thirty starts, in a child it forks; its unit then kills it after 10 seconds, which
 * a healthy one may need at the boot of a busy machine, and nothing starts it again: no sandbox runs until somebody
 * looks. So it has more time and is started again, and wants sysbox.service, whose own start has failed by then. One that
 * ends under sandboxes is another matter: with it sysbox.service stops, and that stops both daemons for good.
 */
static int plan_units(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const char GUARD[] = "[Unit]\n"
				    "Requires=" SYSBOX_MOUNT "\n"
				    "After=" SYSBOX_MOUNT "\n"
				    "AssertPathIsMountPoint=" SYSBOX_DATA "\n"
				    "\n"
				    "[Service]\n"
				    "TimeoutStartSec=90\n"
				    "ExecStartPre=" BERTH_PROGRAM " stash\n"
				    "ExecStart=\n";
	_cleanup_free_ char *command = mgr_command(ctx);
	_cleanup_free_ char *mgr =
		command ? xasprintf("# Written by berth.\n%sExecStart=%s\n", GUARD, command) : NULL;
	_cleanup_free_ char *fs = xasprintf(
		"# Written by berth.\n[Unit]\nWants=sysbox.service\n\n[Service]\nTimeoutStartSec=30\nRestart=on-failure\n"
		"RestartSec=1\nExecStart=\nExecStart=/usr/bin/sysbox-fs --log-level %s\n",
		ctx->spec->sysbox.log_level);
	int r = mgr && fs ? 0 : error_errno(err, ENOMEM, "plan Sysbox's units");

	if (r == 0)
		r = plan_file(plan, &ctx->change, UNIT_DIR "/" STASH_SERVICE, STASH_UNIT, 0644,
			      "inner data of sandboxes outlives Sysbox", err);
	if (r >= 0)
		r = plan_file(plan, &ctx->change, UNIT_DIR "/sysbox-mgr.service.d/" DROPIN, mgr, 0644,
			      "flags, time to start, and never on the root disk", err);
	if (r >= 0)
		r = plan_file(plan, &ctx->change, UNIT_DIR "/sysbox-fs.service.d/" DROPIN, fs, 0644,
			      "flags, and started again when its start hangs", err);
	return r;
}

static int plan_sysbox(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = plan_package_and_needed(ctx, plan, err);

	return r < 0 ? r : plan_units(ctx, plan, err);
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	_cleanup_(installed_release) struct installed now = { 0 };
	const struct unit_state *u;
	int r = context_unit(&ctx->change, "sysbox-mgr.service", &u, err);
	const char *manager = r < 0 || !u->active ? "unknown" : u->active;

	if (r == 0)
		r = read_installed(ctx, &now, err);
	if (r < 0)
		return r;
	if (!now.version)
		strbuf_puts(ret, now.broken ? "installed in part" : "not installed");
	else
		strbuf_printf(ret, "%s %s%s, sysbox-mgr %s", SYSBOX_PACKAGE, now.version,
			      is_unpacked(ctx) ? " unpacked by berth" : "", manager);
	if (!now.version && !now.broken)
		*ret_verdict = CHECK_SKIP;
	else if (!unit_is(manager, "active"))
		*ret_verdict = CHECK_WARN;
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	static const char *const UNITS[] = { "sysbox-mgr.service", "sysbox-fs.service",
					     SYSBOX_SERVICE };

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
	.beneath_docker = true,
	.probe = probe,
	.check = check_flags,
	.plan = plan_sysbox,
	.verify = verify,
};
