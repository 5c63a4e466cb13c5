#include "change/apt_run.h"

#include "change/package_lock.h"

#include <fcntl.h>
#include <unistd.h>

static const char *const ENVIRONMENT[] = {
	"DEBIAN_FRONTEND=noninteractive", "DEBIAN_PRIORITY=critical",
	"APT_LISTCHANGES_FRONTEND=none",  "NEEDRESTART_SUSPEND=1",
	"UCF_FORCE_CONFFOLD=1",		  NULL,
};

/* What is kept of the hundreds of lines of a transaction: those that tell why it failed. */
struct apt_said {
	struct change_context *ctx;
	char best[400];	  /* the first error of dpkg or apt */
	char reason[200]; /* the line below, where that one ends in a colon */
	char last[400];
	bool reason_next;
};

static void keep(char *to, size_t size, const char *line)
{
	(void)snprintf(to, size, "%s", line);
}

/*
 * Before a package's scripts run: its files are on the disk, and what the scripts of the one before wrote, which nobody syncs
 * else. Only where packages have their files: a busy machine's data are not waited for.
 */
static void sync_packages(const struct host *host)
{
	static const char *const PLACES[] = { "/etc", "/usr", "/var/lib/dpkg" };
	dev_t done = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		_cleanup_fd_ int fd = host_open(host, PLACES[i], O_RDONLY | O_DIRECTORY, 0);

		if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev == done)
			continue;
		(void)syncfs(fd);
		done = st.st_dev;
	}
}

/* The last line apt or dpkg said is shown while it works. */
static void take_line(void *userdata, int stream, const char *line)
{
	static const char *const WORTH[] = { "Get:",	   "Unpacking ",	   "Setting up ",
					     "Selecting ", "Processing triggers ", "Removing ",
					     "Purging ",   "update-initramfs: " };
	struct apt_said *said = userdata;

	(void)stream;
	if (!*line)
		return;
	if (strncmp(line, "Setting up ", strlen("Setting up ")) == 0)
		sync_packages(said->ctx->host);
	keep(said->last, sizeof(said->last), line);
	/* "dpkg: error processing archive X (--unpack):" has it on the line below. */
	if (said->reason_next)
		keep(said->reason, sizeof(said->reason), line);
	said->reason_next = false;
	if (!*said->best && (strncmp(line, "E: ", 3) == 0 || strncmp(line, "dpkg: error", 11) == 0)) {
		keep(said->best, sizeof(said->best), line);
		said->reason_next = line[strlen(line) - 1] == ':';
	}
	for (size_t i = 0; i < ARRAY_SIZE(WORTH); i++) {
		if (strncmp(line, WORTH[i], strlen(WORTH[i])) == 0) {
			progress_activity(said->ctx->progress, line);
			return;
		}
	}
}

static void tell_failure(const struct apt_said *said, const char *what, struct error *err)
{
	if (*said->last)
		(void)error_set(err, err->code, "%s: %s%s", what, *said->best ? said->best : said->last,
				said->reason);
}

int apt_places(const struct change_context *ctx, struct strv *argv)
{
	int r = 0;

	if (!ctx->bundle_dir)
		return 0;
	r = strv_addf(argv, "-oDir::Etc::SourceList=%s/sources.list", ctx->bundle_dir);
	if (r == 0)
		r = strv_add(argv, "-oDir::Etc::SourceParts=-");
	return r < 0 ? r : strv_addf(argv, "-oDir::State::Lists=%s/lists", ctx->bundle_dir);
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
		/* One sync a package (take_line) instead of one a file: dpkg's state is safe by its own fsync. */
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
	return r < 0 ? r : apt_places(ctx, argv);
}

/* `result` NULL: nothing is kept but why it failed. */
static int run(struct change_context *ctx, const char *const *argv, struct spawn_result *result,
	       const char *what, struct error *err)
{
	struct apt_said said = { .ctx = ctx };
	struct spawn_options options = { .env = ENVIRONMENT,
					 .timeout_ms = ctx->packages_ms,
					 .output_cap = result ? 0 : 1,
					 .on_line = take_line,
					 .userdata = &said };
	int r = package_lock_wait(ctx, err);

	if (r == 0)
		r = host_check(ctx->host, argv, &options, result, err);
	if (r == -EPROTO)
		tell_failure(&said, what, err);
	return r;
}

int apt_run(struct change_context *ctx, const char *const *words, const struct strv *items,
	    struct spawn_result *result, const char *what, struct error *err)
{
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r = apt_options(ctx, &argv);

	for (; r == 0 && *words; words++)
		r = strv_add(&argv, *words);
	for (size_t i = 0; r == 0 && items && i < items->len; i++)
		r = strv_add(&argv, items->items[i]);
	if (r < 0)
		return error_errno(err, r, "run apt-get");
	return run(ctx, (const char *const *)argv.items, result, what, err);
}

int apt_run_quietly(struct change_context *ctx, const char *const *words, const struct strv *items,
		    const char *what, struct error *err)
{
	return apt_run(ctx, words, items, NULL, what, err);
}

int apt_run_dpkg(struct change_context *ctx, const char *const *argv, const char *what,
		 struct error *err)
{
	return run(ctx, argv, NULL, what, err);
}
