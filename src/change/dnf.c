#include "change/dnf.h"

#include "change/package_lock.h"
#include "change/package_manager.h"

/* ---- the table ---- */

static enum dnf_verb section_of(const char *line)
{
	static const struct {
		const char *prefix;
		enum dnf_verb verb;
	} SECTIONS[] = {
		{ "Installing", DNF_INSTALL },	{ "Upgrading", DNF_UPGRADE },
		{ "Downgrading", DNF_UPGRADE }, { "Reinstalling", DNF_UPGRADE },
		{ "Removing", DNF_REMOVE },
	};
	const char *colon = strrchr(line, ':');

	if (!colon || colon[1 + strspn(colon + 1, " ")])
		return DNF_NOTHING;
	for (size_t i = 0; i < ARRAY_SIZE(SECTIONS); i++) {
		if (strncmp(line, SECTIONS[i].prefix, strlen(SECTIONS[i].prefix)) == 0)
			return SECTIONS[i].verb;
	}
	return DNF_NOTHING;
}

/* dnf 4 has "oldthing.noarch 0.9-1" where dnf 5 has "oldthing noarch 0.9-1". */
static void drop_arch(char *name)
{
	static const char *const ARCHS[] = { "noarch", "x86_64", "aarch64", "i686" };
	char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < ARRAY_SIZE(ARCHS); i++) {
		if (strcmp(dot + 1, ARCHS[i]) == 0) {
			*dot = '\0';
			return;
		}
	}
}

/* A package that another one takes the place of; dnf 5 has it for upgrades of the same name too. */
static const char *replaced(struct dnf_table *table, char *line)
{
	static const char WORD[] = "replacing ";
	char *name = line + strspn(line, " ");

	if (strncmp(name, WORD, strlen(WORD)) != 0)
		return NULL;
	name += strlen(WORD);
	name += strspn(name, " ");
	name[strcspn(name, " ")] = '\0';
	drop_arch(name);
	return table->row && strcmp(table->row, name) == 0 ? NULL : name;
}

enum dnf_verb dnf_table_next(struct dnf_table *table, const char **ret_name)
{
	while (table->text) {
		char *line = strsep(&table->text, "\n");

		if (*line != ' ') {
			table->section = section_of(line);
			table->row = NULL;
			continue;
		}
		if (table->section == DNF_NOTHING)
			continue;
		/* Rows are indented by one; more is a long row's second line, or what is replaced.
		 */
		if (line[1] && line[1] != ' ') {
			line++;
			line[strcspn(line, " ")] = '\0';
			*ret_name = table->row = line;
			return table->section;
		}
		*ret_name = replaced(table, line);
		if (*ret_name)
			return DNF_REMOVE;
	}
	return DNF_NOTHING;
}

/* ---- running it ---- */

/* What it is about, shown while it works. */
static void show_line(void *userdata, int stream, const char *line)
{
	static const char *const WORTH[] = {
		"(",	    "Installing ", "Upgrading ", "Reinstalling ", "Running scriptlet",
		"Erasing ", "Removing "
	};
	struct change_context *ctx = userdata;

	(void)stream;
	line += strspn(line, " ");
	for (size_t i = 0; i < ARRAY_SIZE(WORTH); i++) {
		if (strncmp(line, WORTH[i], strlen(WORTH[i])) == 0) {
			progress_activity(ctx->progress, line);
			return;
		}
	}
}

/* A line's sentence when it is the failure itself: "Error: Unable to find a match: x". */
static const char *failure_in(const char *line)
{
	static const char *const WORTH[] = { "Failed to ", "No match for argument: " };

	if (strncmp(line, "Error: ", 7) == 0)
		return line[7] ? line + 7 : NULL;
	for (size_t i = 0; i < ARRAY_SIZE(WORTH); i++) {
		if (strncmp(line, WORTH[i], strlen(WORTH[i])) == 0)
			return line;
	}
	return NULL;
}

/*
 * A line's sentence when it is a reason: " Problem: package x requires y, but ...", and below it
 * "  - nothing provides ...". Either may be no more than "conflicting requests".
 */
static const char *reason_in(const char *line)
{
	const char *text = line + strspn(line, " ");

	if (*line != ' ')
		return NULL;
	if (strncmp(text, "- ", 2) == 0)
		text += 2;
	else if (strncmp(text, "Problem", 7) == 0 && strstr(text, ": "))
		text = strstr(text, ": ") + 2;
	else
		return NULL;
	return strcmp(text, "conflicting requests") == 0 ? NULL : text;
}

static void tell_failure(const struct spawn_result *result, const char *what, struct error *err)
{
	_cleanup_free_ char *text =
		xasprintf("%s\n%s", strbuf_str(&result->err), strbuf_str(&result->out));
	const char *failure = NULL, *reasons[2] = { NULL }, *last = "it does not say why";
	size_t n = 0;
	char *save = text;

	while (save) {
		char *line = strsep(&save, "\n");
		const char *reason = reason_in(line);

		/* dnf 5 has "Failed to resolve the transaction:" and the rest on the line below. */
		if (failure && !n && *line && failure[strlen(failure) - 1] == ':')
			reason = line;
		if (reason && n < ARRAY_SIZE(reasons))
			reasons[n++] = reason;
		if (!failure)
			failure = failure_in(line);
		if (*line)
			last = line;
	}
	if (!failure && n) {
		failure = reasons[0];
		reasons[0] = reasons[1];
		n--;
	}
	if (!failure)
		failure = last;
	(void)error_set(err, err->code, "%s: %.300s%s%.300s%s%.300s", what, failure,
			!n				      ? ""
			: failure[strlen(failure) - 1] == ':' ? " "
							      : "; ",
			n ? reasons[0] : "", n > 1 ? "; " : "", n > 1 ? reasons[1] : "");
}

static const char *program(const struct host *host)
{
	static const char *const PROGRAMS[] = { "dnf", "dnf-3", "yum" };

	for (size_t i = 0; i < ARRAY_SIZE(PROGRAMS); i++) {
		_cleanup_free_ char *path = host_find_program(host, PROGRAMS[i]);

		if (path)
			return PROGRAMS[i];
	}
	return PROGRAMS[0];
}

static int argv_of(const struct change_context *ctx, const char *const *words,
		   const struct strv *items, struct strv *ret)
{
	static const char *const ALWAYS[] = {
		"--setopt=install_weak_deps=False",
		"--setopt=clean_requirements_on_remove=False",
		"--setopt=retries=3",
		"--setopt=timeout=30",
	};
	int r = strv_add(ret, program(ctx->host));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ALWAYS); i++)
		r = strv_add(ret, ALWAYS[i]);
	for (; r == 0 && *words; words++)
		r = strv_add(ret, *words);
	for (size_t i = 0; r == 0 && i < items->len; i++)
		r = strv_add(ret, items->items[i]);
	return r;
}

static int run_dnf(struct change_context *ctx, const char *const *words, const struct strv *items,
		   struct spawn_result *result, const char *what, struct error *err)
{
	struct spawn_options options = { .timeout_ms = ctx->packages_ms,
					 .on_line = show_line,
					 .userdata = ctx };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r;

	if (argv_of(ctx, words, items, &argv) < 0)
		return error_errno(err, ENOMEM, "run dnf");
	r = package_lock_wait(ctx, err);
	if (r < 0)
		return r;
	r = host_check(ctx->host, (const char *const *)argv.items, &options, result, err);
	/* It was asked to say no to itself: that it did is no failure. */
	if (r == -EPROTO && strcmp(words[0], "--assumeno") == 0 &&
	    (strstr(strbuf_str(&result->out), "Operation aborted") ||
	     strstr(strbuf_str(&result->err), "Operation aborted"))) {
		error_clear(err);
		return 0;
	}
	if (r == -EPROTO)
		tell_failure(result, what, err);
	return r;
}

static int run_quietly(struct change_context *ctx, const char *const *words,
		       const struct strv *items, const char *what, struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;

	return run_dnf(ctx, words, items, &result, what, err);
}

/* ---- the row ---- */

static int judge(struct change_context *ctx, const struct strv *asked, enum dnf_verb verb, const char *name,
		 struct error *err)
{
	if (verb == DNF_REMOVE)
		return package_refuse_removal(name, err);
	return verb == DNF_UPGRADE && !strv_contains(asked, name) ?
		       package_judge_upgrade(ctx, name, "dnf versionlock add", err) : 0;
}

static int simulate(struct change_context *ctx, const struct strv *items, const struct strv *asked, bool refresh,
		    struct error *err)
{
	static const char *const PLAIN[] = { "--assumeno", "install", NULL };
	static const char *const FRESH[] = { "--assumeno", "--refresh", "install", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct dnf_table table = { 0 };
	enum dnf_verb verb = DNF_INSTALL;
	const char *name;
	int r;

	progress_activity(ctx->progress, "resolving packages");
	r = run_dnf(ctx, refresh ? FRESH : PLAIN, items, &result, "dnf cannot resolve the packages",
		    err);
	table.text = result.out.data;
	while (r == 0 && verb != DNF_NOTHING) {
		verb = dnf_table_next(&table, &name);
		if (verb != DNF_NOTHING)
			r = judge(ctx, asked, verb, name, err);
	}
	return r;
}

int dnf_fetch(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err)
{
	static const char *const WORDS[] = { "-y", "--downloadonly", "install", NULL };
	bool refresh = false;

	for (;; refresh = true) {
		int r = simulate(ctx, items, asked, refresh, err);

		progress_activity(ctx->progress, "downloading packages");
		if (r == 0)
			r = run_quietly(ctx, WORDS, items, "the packages cannot be downloaded",
					err);
		/* Old metadata names versions that are gone: once more with fresh ones. */
		if (r != -EPROTO || refresh)
			return r;
		error_clear(err);
	}
}

int dnf_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err)
{
	static const char *const WORDS[] = { "--quiet", "repoquery", "--latest-limit=1", "--queryformat=%{version}\n", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = strv_add(&names, name);

	*ret = NULL;
	r = r < 0 ? error_errno(err, r, "ask for the package '%s'", name) :
		    run_dnf(ctx, WORDS, &names, &result, "dnf cannot look for the package", err);
	return r < 0 ? r : package_take_version(strbuf_str(&result.out), ret, err);
}

int dnf_install(struct change_context *ctx, const struct strv *items, struct error *err)
{
	static const char *const WORDS[] = { "-y", "--cacheonly", "install", NULL };
	int r = run_quietly(ctx, WORDS, items, "the packages cannot be installed", err);

	context_changed(ctx);
	sync(); /* rpm does not sync what it writes */
	return r;
}

/* Failure of dnf's is none here; that it is not there, or that its lock is held, is. */
static int try_dnf(struct change_context *ctx, const char *const *words, const struct strv *items,
		   struct error *err)
{
	int r = items->len ? run_quietly(ctx, words, items, "dnf failed", err) : 0;

	if (r != -EPROTO)
		return r;
	error_clear(err);
	return 0;
}

int dnf_repair(struct change_context *ctx, const struct strv *items, const struct strv *added,
	       struct error *err)
{
	static const char *const INSTALL[] = { "-y", "--cacheonly", "install", NULL };
	static const char *const AGAIN[] = { "-y", "reinstall", NULL };
	int r = try_dnf(ctx, INSTALL, items, err);

	if (r == 0)
		r = try_dnf(ctx, AGAIN, added, err);
	context_changed(ctx);
	sync();
	return r;
}

int dnf_remove(struct change_context *ctx, const struct strv *names, struct error *err)
{
	static const char *const WORDS[] = { "-y", "remove", NULL };
	int r = run_quietly(ctx, WORDS, names, "the packages cannot be removed", err);

	context_changed(ctx);
	return r;
}

int dnf_simulate_remove(struct change_context *ctx, const struct strv *names,
			struct strv *ret_others, struct error *err)
{
	static const char *const WORDS[] = { "--assumeno", "remove", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	int r = run_dnf(ctx, WORDS, names, &result, "dnf cannot plan the removal", err);
	struct dnf_table table = { .text = result.out.data };
	enum dnf_verb verb = DNF_REMOVE;
	const char *name;

	while (r == 0 && verb != DNF_NOTHING) {
		verb = dnf_table_next(&table, &name);
		if (verb == DNF_REMOVE && !strv_contains(names, name))
			r = strv_add_new(ret_others, name);
	}
	return r;
}
