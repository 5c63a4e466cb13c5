#include "change/apt.h"

#include "change/apt_archives.h"
#include "change/apt_lists.h"
#include "change/apt_run.h"
#include "change/package_manager.h"
#include "host/packages.h"

#define POLICY_FILE   "/usr/sbin/policy-rc.d"
#define POLICY_SAVED  "/usr/sbin/policy-rc.d.berth-saved"
#define REMOVE_BROKEN "-oDpkg::Options::=--force-remove-reinstreq"
#define POLICY_MARK   "# berth: no service starts during a package transaction"

static const char POLICY[] = "#!/bin/sh\n" POLICY_MARK "\nexit 101\n";

/* "Inst runc [1.1.4] (1.1.5 ...": an upgrade has the old version in brackets. */
static int judge_line(struct change_context *ctx, const struct strv *asked, char *line, struct error *err)
{
	char *save = line;
	const char *verb = strsep(&save, " ");
	const char *name = save ? strsep(&save, " ") : NULL;

	if (!name)
		return 0;
	if (strcmp(verb, "Remv") == 0)
		return package_refuse_removal(name, err);
	if (strcmp(verb, "Inst") != 0 || !save || *save != '[' || strv_contains(asked, name))
		return 0;
	return package_judge_upgrade(ctx, name, "apt-mark hold", err);
}

static int simulate(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err)
{
	static const char *const WORDS[] = { "--simulate", "install", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	int r = apt_run(ctx, WORDS, items, &result, "apt cannot resolve the packages", err);
	char *save = result.out.data;

	/* A bundle's have a folder of their own, and are known to be right. */
	if (r == 0 && !ctx->bundle_dir)
		r = apt_archives_check(ctx, strbuf_str(&result.out), err);
	while (r == 0 && save)
		r = judge_line(ctx, asked, strsep(&save, "\n"), err);
	return r;
}

static int download(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err)
{
	static const char *const WORDS[] = { "--download-only", "install", NULL };
	int r = simulate(ctx, items, asked, err);

	if (r < 0)
		return r;
	progress_activity(ctx->progress, "downloading packages");
	r = apt_run_quietly(ctx, WORDS, items, "the packages cannot be downloaded", err);
	/* apt takes an archive of the right size for whole: it must be, after a power cut too. */
	sync();
	return r;
}

int apt_fetch(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err)
{
	bool old = apt_has_lists(ctx), whole = false;
	bool fresh = !old || ctx->bundle_dir;
	int r = fresh ? apt_update(ctx, &whole, err) : 0;

	if (r == 0)
		r = download(ctx, items, asked, err);
	/* Old lists name versions that are gone: once more with fresh ones. */
	if (r == -EPROTO && !fresh) {
		error_clear(err);
		r = apt_update(ctx, &whole, err);
		if (r == 0)
			r = download(ctx, items, asked, err);
	}
	/* Servers that answered, and lists of an earlier run that apt takes for whole: they may not
	 * be. */
	if (r == -EPROTO && old && whole) {
		error_clear(err);
		r = apt_update_afresh(ctx, err);
		if (r == 0)
			r = download(ctx, items, asked, err);
	}
	return r;
}

/* Keep maintainer scripts from starting daemons: Docker must not first start on the wrong file
 * system. */
static int forbid_starts(const struct host *host, struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0755 };
	int r = apt_clean_up(host, err);

	if (r == 0 && host_exists(host, POLICY_FILE))
		r = host_rename(host, POLICY_FILE, POLICY_SAVED, err);
	if (r == 0)
		r = host_write(host, POLICY_FILE, POLICY, strlen(POLICY), &ATTRS, err);
	return r;
}

int apt_clean_up(const struct host *host, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (host_read(host, POLICY_FILE, 65536, &text, NULL) == 0 && strstr(text, POLICY_MARK))
		r = host_remove(host, POLICY_FILE, err);
	if (r == 0 && host_exists(host, POLICY_SAVED) && !host_exists(host, POLICY_FILE))
		r = host_rename(host, POLICY_SAVED, POLICY_FILE, err);
	return r;
}

/*
 * By name: `--configure -a` would run triggers as well, whatever it is told. Of the packages' names
 * those that several architectures share must have theirs behind them.
 */
static int configure_unpacked(struct change_context *ctx, const char *what, struct error *err)
{
	static const char *const WORDS[] = { "dpkg", "--force-confdef", "--force-confold",
					     "--no-triggers", "--configure" };
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r = package_db_read(ctx->host, PACKAGES_APT, &db, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(WORDS); i++)
		r = strv_add(&argv, WORDS[i]);
	for (size_t i = 0; r == 0 && i < db.len; i++) {
		if (db.items[i].unpacked)
			r = strv_add(&argv, db.items[i].spec);
	}
	if (r < 0)
		return error_errno(err, r, "configure the packages");
	if (argv.len == ARRAY_SIZE(WORDS))
		return 0;
	return apt_run_dpkg(ctx, (const char *const *)argv.items, what, err);
}

/*
 * Only unpacked by apt, which ends with a run of all triggers otherwise. Not --no-download: with it
 * apt loses the path of package files. All is in its cache by now.
 */
static int unpack_and_configure(struct change_context *ctx, const char *const *words,
				const struct strv *items, struct error *err)
{
	static const char WHAT[] = "the packages cannot be installed";
	struct error cleaning = ERROR_INIT;
	int r = forbid_starts(ctx->host, err);

	if (r < 0)
		return r;
	r = apt_run_quietly(ctx, words, items, WHAT, err);
	if (r == 0)
		r = configure_unpacked(ctx, WHAT, err);
	context_changed(ctx);
	if (apt_clean_up(ctx->host, &cleaning) < 0 && r == 0)
		return error_set(err, cleaning.code, "%s", cleaning.message);
	sync(); /* what --force-unsafe-io left out */
	return r;
}

int apt_install(struct change_context *ctx, const struct strv *items, struct error *err)
{
	static const char *const WORDS[] = { "-oDPkg::ConfigurePending=false", "install", NULL };

	return unpack_and_configure(ctx, WORDS, items, err);
}

/* Those whose unpacking was cut off. */
static int half_unpacked(struct change_context *ctx, struct strv *ret, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	int r = package_db_read(ctx->host, PACKAGES_APT, &db, err);

	for (size_t i = 0; r == 0 && i < db.len; i++) {
		if (db.items[i].broken && !db.items[i].unpacked && strv_add(ret, db.items[i].name) < 0)
			r = error_errno(err, ENOMEM, "repair the packages");
	}
	return r;
}

static const char *const AGAIN[] = { "-oDPkg::ConfigurePending=false", "--reinstall", "--fix-broken", "install", NULL };

/*
 * Asked for names, apt 3 resolves nothing for the sake of others, --fix-broken or not; and one that is only unpacked it does
 * not unpack again ("Internal Error, No file name for"). So: what is half unpacked, then, asked for nothing, what these
 * need. What fails on the way is told by the one who comes after.
 */
static void repair_by_steps(struct change_context *ctx)
{
	static const char *const NEEDED[] = { "-oDPkg::ConfigurePending=false", "--no-remove", "--fix-broken",
					      "install", NULL };
	_cleanup_(strv_release) struct strv half = STRV_INIT;
	struct error ignored = ERROR_INIT;

	if (half_unpacked(ctx, &half, &ignored) == 0 && half.len)
		(void)unpack_and_configure(ctx, AGAIN, &half, &ignored);
	(void)unpack_and_configure(ctx, NEEDED, NULL, &ignored);
}

int apt_repair(struct change_context *ctx, const struct strv *items, const struct strv *added,
	       struct error *err)
{
	_cleanup_(strv_release) struct strv all = STRV_INIT;
	struct error first = ERROR_INIT;
	int r = 0;

	if (!added->len)
		return 0;
	for (size_t i = 0; r == 0 && i < added->len; i++)
		r = strv_add(&all, added->items[i]);
	for (size_t i = 0; r == 0 && i < items->len; i++)
		r = strv_add_new(&all, items->items[i]);
	if (r < 0)
		return error_errno(err, r, "repair the packages");
	r = unpack_and_configure(ctx, AGAIN, &all, &first);
	if (r == -EPROTO && (strstr(first.message, "Unmet dependencies") || strstr(first.message, "Internal Error"))) {
		repair_by_steps(ctx);
		return unpack_and_configure(ctx, AGAIN, &all, err);
	}
	return r < 0 ? error_set(err, r, "%s", first.message) : 0;
}

int apt_configure_pending(struct change_context *ctx, struct error *err)
{
	static const char *const ARGV[] = {
		"dpkg", "--force-confdef", "--force-confold", "--configure", "-a", NULL
	};
	struct error cleaning = ERROR_INIT;
	int r = forbid_starts(ctx->host, err);

	if (r < 0)
		return r;
	r = apt_run_dpkg(ctx, ARGV, "dpkg failed", err);
	context_changed(ctx);
	if (apt_clean_up(ctx->host, &cleaning) < 0 && r == 0)
		return error_set(err, cleaning.code, "%s", cleaning.message);
	return r;
}

/* Those of them that dpkg knows: apt fails at a name that is neither installed nor in a repository. */
static int known_of(struct change_context *ctx, const struct strv *names, struct strv *ret, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	int r = package_db_read(ctx->host, PACKAGES_APT, &db, err);

	strv_foreach (names, i, name) {
		if (r == 0 && package_db_find(&db, name) && strv_add(ret, name) < 0)
			r = error_errno(err, ENOMEM, "look for the packages");
	}
	return r;
}

/*
 * docker.io's prerm leaves a script in /var/lib/docker that its purge runs to delete all data below
 * it: remove first, take the script away, then purge what has left settings.
 */
int apt_purge(struct change_context *ctx, const struct strv *names, struct error *err)
{
	/* Triggers are run once, by the second. What a power cut left half unpacked goes as well.
	 */
	static const char *const REMOVE[] = { "-oDPkg::ConfigurePending=false", REMOVE_BROKEN,
					      "remove", NULL };
	static const char *const PURGE[] = { REMOVE_BROKEN, "purge", NULL };
	_cleanup_(strv_release) struct strv there = STRV_INIT, left = STRV_INIT;
	int r = known_of(ctx, names, &there, err);

	if (r == 0 && there.len)
		r = apt_run_quietly(ctx, REMOVE, &there, "the packages cannot be removed", err);
	if (r == 0)
		r = host_remove(ctx->host, "/var/lib/docker/nuke-graph-directory.sh", err);
	if (r == 0)
		r = known_of(ctx, names, &left, err);
	if (r == 0)
		r = left.len ? apt_run_quietly(ctx, PURGE, &left, "the packages' settings cannot be removed", err) :
			       apt_configure_pending(ctx, err);
	context_changed(ctx);
	return r;
}

int apt_simulate_purge(struct change_context *ctx, const struct strv *names,
		       struct strv *ret_others, struct error *err)
{
	static const char *const WORDS[] = { "--simulate", "purge", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	_cleanup_(strv_release) struct strv there = STRV_INIT;
	int r = known_of(ctx, names, &there, err);
	char *save;

	if (r == 0 && there.len)
		r = apt_run(ctx, WORDS, &there, &result, "apt cannot plan the removal", err);
	save = result.out.data;
	while (r == 0 && save) {
		char *line = strsep(&save, "\n");
		const char *verb = strsep(&line, " ");
		const char *name = line ? strsep(&line, " ") : NULL;

		if (name && (strcmp(verb, "Remv") == 0 || strcmp(verb, "Purg") == 0) &&
		    !strv_contains(names, name))
			r = strv_add_new(ret_others, name);
	}
	return r;
}
