#include "change/apt_run.h"

#include "change/package_lock.h"

static const char *const ENVIRONMENT[] = {
	"DEBIAN_FRONTEND=noninteractive", "DEBIAN_PRIORITY=critical",
	"APT_LISTCHANGES_FRONTEND=none",  "NEEDRESTART_SUSPEND=1",
	"UCF_FORCE_CONFFOLD=1",		  NULL,
};

/* The last line apt or dpkg said, shown while it works. */
static void show_line(void *userdata, int stream, const char *line)
{
	static const char *const WORTH[] = { "Get:",	   "Unpacking ",	   "Setting up ",
					     "Selecting ", "Processing triggers ", "Removing ",
					     "Purging ",   "update-initramfs: " };
	struct change_context *ctx = userdata;

	(void)stream;
	for (size_t i = 0; i < ARRAY_SIZE(WORTH); i++) {
		if (strncmp(line, WORTH[i], strlen(WORTH[i])) == 0) {
			progress_activity(ctx->progress, line);
			return;
		}
	}
}

/* The line of apt's output that tells most: an error of dpkg or apt with its reason, else the last
 * one. */
static void tell_failure(const struct spawn_result *result, const char *what, struct error *err)
{
	_cleanup_free_ char *text =
		xasprintf("%s\n%s", strbuf_str(&result->out), strbuf_str(&result->err));
	const char *best = NULL, *last = NULL, *reason = NULL;
	char *save = text;

	while (save) {
		char *line = strsep(&save, "\n");

		if (!*line)
			continue;
		last = line;
		/* "dpkg: error processing archive X (--unpack):" has it on the line below. */
		if (best && !reason)
			reason = best[strlen(best) - 1] == ':' ? line : "";
		if (!best &&
		    (strncmp(line, "E: ", 3) == 0 || strncmp(line, "dpkg: error", 11) == 0))
			best = line;
	}
	if (best || last)
		(void)error_set(err, err->code, "%s: %.400s%.200s", what, best ? best : last,
				reason ? reason : "");
}

static int apt_options(const struct change_context *ctx, struct strv *argv)
{
	static const char *const ALWAYS[] = {
		"apt-get",
		"-y",
		"-q",
		"-o",
		"Dpkg::Use-Pty=0",
		"-o",
		"Dpkg::Options::=--force-confdef",
		"-o",
		"Dpkg::Options::=--force-confold",
		/* One sync at the end instead of one a file: dpkg's state is safe by its own fsync.
		 */
		"-o",
		"Dpkg::Options::=--force-unsafe-io",
		"-o",
		"APT::Install-Recommends=false",
		"-o",
		"Acquire::Retries=3",
		"-o",
		"Acquire::http::Timeout=30",
		"-o",
		"Acquire::https::Timeout=30",
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ALWAYS); i++)
		r = strv_add(argv, ALWAYS[i]);
	if (r == 0)
		r = strv_addf(argv, "-oDPkg::Lock::Timeout=%" PRIu64,
			      ctx->package_lock_ms / 1000 + 1);
	if (r == 0 && ctx->bundle_dir) {
		r = strv_addf(argv, "-oDir::Etc::SourceList=%s/sources.list", ctx->bundle_dir);
		if (r == 0)
			r = strv_add(argv, "-oDir::Etc::SourceParts=-");
		if (r == 0)
			r = strv_addf(argv, "-oDir::State::Lists=%s/lists", ctx->bundle_dir);
	}
	return r;
}

int apt_run(struct change_context *ctx, const char *const *words, const struct strv *items,
	    struct spawn_result *result, const char *what, struct error *err)
{
	struct spawn_options options = { .env = ENVIRONMENT,
					 .timeout_ms = ctx->packages_ms,
					 .on_line = show_line,
					 .userdata = ctx };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r = apt_options(ctx, &argv);

	for (; r == 0 && *words; words++)
		r = strv_add(&argv, *words);
	for (size_t i = 0; r == 0 && items && i < items->len; i++)
		r = strv_add(&argv, items->items[i]);
	if (r < 0)
		return error_errno(err, r, "run apt-get");
	r = package_lock_wait(ctx, err);
	if (r < 0)
		return r;
	r = host_check(ctx->host, (const char *const *)argv.items, &options, result, err);
	if (r == -EPROTO)
		tell_failure(result, what, err);
	return r;
}

int apt_run_quietly(struct change_context *ctx, const char *const *words, const struct strv *items,
		    const char *what, struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;

	return apt_run(ctx, words, items, &result, what, err);
}

int apt_run_dpkg(struct change_context *ctx, const char *const *argv, const char *what,
		 struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .env = ENVIRONMENT,
					 .timeout_ms = ctx->packages_ms,
					 .on_line = show_line,
					 .userdata = ctx };
	int r = package_lock_wait(ctx, err);

	if (r == 0)
		r = host_check(ctx->host, argv, &options, &result, err);
	if (r == -EPROTO)
		tell_failure(&result, what, err);
	return r;
}
