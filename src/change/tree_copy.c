#include "change/tree_copy.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/fault.h"
#include "base/units.h"
#include "change/mounted.h"
#include "change/tree_compare.h"
#include "sys/fsinfo.h"

#define LOOK_EVERY_MS 250

uint64_t tree_copy_needs(const struct tree_usage *usage)
{
	return usage->bytes + usage->bytes / 20 + ((uint64_t)64 << 20);
}

static int space_at(const struct host *host, const char *path, struct fsinfo *ret,
		    struct error *err)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir < 0)
		return error_errno(err, dir, "open the directory of '%s'", path);
	return fsinfo_fd(dir, ret, err);
}

int tree_copy_fits(const struct host *host, const char *from, const char *to, struct error *err)
{
	char need[UNITS_MAX], have[UNITS_MAX], is[UNITS_MAX];
	struct tree_usage usage, left = { 0 };
	struct fsinfo fs;
	int r = tree_usage(host, from, &usage, err);

	if (r == 0)
		r = space_at(host, to, &fs, err);
	if (r < 0)
		return r;
	(void)tree_usage(host, to, &left, NULL);
	if (tree_copy_needs(&usage) > fs.available + left.bytes)
		return error_set(err, ENOSPC,
				 "'%s' holds %s, which needs %s where '%s' is to be, and "
				 "%s are free there",
				 from, size_format(usage.bytes, is),
				 size_format(tree_copy_needs(&usage), need), to,
				 size_format(fs.available + left.bytes, have));
	if (usage.inodes > fs.inodes_available && usage.inodes - fs.inodes_available > left.inodes)
		return error_set(err, ENOSPC,
				 "'%s' holds %ju files and directories, and '%s' would "
				 "have room for %ju",
				 from, (uintmax_t)usage.inodes, to,
				 (uintmax_t)(fs.inodes_available + left.inodes));
	return 0;
}

/* ---- cp, with an eye on the disk it fills ---- */

struct copying {
	const struct host *host;
	const char *const *argv;
	struct error err;
	int result;
};

static void *run_copy(void *userdata)
{
	struct copying *copying = userdata;

	/* No deadline: nobody can say how long a disk needs for its data. */
	copying->result = host_check(copying->host, copying->argv, NULL, NULL, &copying->err);
	return NULL;
}

/* `free_before`: what the destination had when cp was started. */
static void watch(pthread_t thread, const char *to, struct change_context *ctx,
		  uint64_t free_before, uint64_t total)
{
	struct fsinfo now;

	for (;;) {
		struct timespec until;
		int r;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_EVERY_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		r = pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until);
		if (r != ETIMEDOUT) {
			if (r != 0) /* never leave it running: it writes into our caller's stack */
				(void)pthread_join(thread, NULL);
			return;
		}
		if (space_at(ctx->host, to, &now, NULL) == 0 && now.available <= free_before)
			progress_bytes(ctx->progress, MIN_OF(free_before - now.available, total),
				       total);
	}
}

static int run_cp(struct change_context *ctx, const char *from, const char *to, uint64_t total,
		  struct error *err)
{
	_cleanup_free_ char *real_from = host_real_path(ctx->host, from);
	_cleanup_free_ char *real_to = host_real_path(ctx->host, to);
	const char *const argv[] = { "cp",
				     "-a",
				     "--one-file-system",
				     "--reflink=auto",
				     "--sparse=auto",
				     "--no-target-directory",
				     "--",
				     real_from,
				     real_to,
				     NULL };
	struct copying copying = { .host = ctx->host, .argv = argv };
	struct fsinfo first;
	pthread_t thread;
	int r;

	if (!real_from || !real_to)
		return error_errno(err, ENOMEM, "copy '%s'", from);
	r = space_at(ctx->host, to, &first, err);
	if (r < 0)
		return r;
	r = pthread_create(&thread, NULL, run_copy, &copying);
	if (r != 0)
		return error_errno(err, r, "copy '%s'", from);
	watch(thread, to, ctx, first.available, total);
	if (copying.result < 0)
		return error_set(err, copying.err.code, "%s", copying.err.message);
	return 0;
}

/* ---- all of it ---- */

static int prove(struct change_context *ctx, const char *from, const char *to, uint64_t total,
		 struct error *err)
{
	_cleanup_fd_ int a = host_open(ctx->host, from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	_cleanup_fd_ int b = host_open(ctx->host, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int r;

	if (a < 0 || b < 0)
		return error_errno(err, a < 0 ? a : b, "open '%s'", a < 0 ? from : to);
	progress_activityf(ctx->progress, "writing the copy of %s to the disk", from);
	if (syncfs(b) < 0)
		return error_errno(err, errno, "sync the copy '%s'", to);
	fault_point("copy:synced");
	progress_activityf(ctx->progress, "comparing %s with its copy", from);
	r = tree_compare(a, b, total, ctx->progress, err);
	return r < 0 ? error_context(err, "compare '%s' with its copy", from) : 0;
}

int tree_copy(struct change_context *ctx, const char *from, const char *to, struct error *err)
{
	struct tree_usage usage;
	int r = mounted_refuse(ctx->host, from, err);

	if (r == 0)
		r = tree_usage(ctx->host, from, &usage, err);
	if (r == 0)
		r = tree_remove(ctx->host, to, err);
	if (r < 0)
		return r;
	progress_activityf(ctx->progress, "copying %s", from);
	r = run_cp(ctx, from, to, usage.bytes, err);
	if (r < 0)
		(void)error_context(err, "copy '%s' to '%s'", from, to);
	fault_point("copy:made");
	if (r == 0)
		r = prove(ctx, from, to, usage.bytes, err);
	if (r < 0)
		(void)tree_remove(ctx->host, to, NULL);
	else
		fault_point("copy:compared");
	return r;
}
