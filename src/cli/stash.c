/*
 * berth stash: for sysbox-mgr.service and berth-stash.service, before sysbox-mgr starts and before it
 * stops: inner data of sandboxes out of its reach, and a start reserve for whoever does not run.
 */
#include <stdio.h>
#include <sys/file.h>

#include "cli/command.h"
#include "sandbox/fence.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/reconcile.h"
#include "sandbox/record.h"
#include "sandbox/stash.h"
#include "step/layout.h"

/* Where a fence cannot be had data is still better in the stash than not: the first error is kept. */
static int fill(int pool, bool stopping, struct stash_report *report, struct error *err)
{
	_cleanup_fd_ int lock = -EBADF;
	struct error second = ERROR_INIT;
	int fenced = stopping ? fence_raise(FENCE, record_mgr(), err) : 0;
	int r;

	if (fenced == 0)
		fenced = fence_lock(pool, LOCK_EX, &lock, err);
	r = stash_all(pool, report, fenced < 0 ? &second : err);
	return fenced < 0 ? fenced : r;
}

int command_stash(const struct arguments *args)
{
	bool stopping = args->argc > 0;
	struct stash_report report = { 0 };
	struct error err = ERROR_INIT;
	struct settings settings;
	_cleanup_fd_ int pool = -EBADF;
	int r = settings_read(RUNC_CONF, &settings, &err);

	if (stopping && strcmp(args->argv[0], "stopping") != 0) {
		fprintf(stderr, "berth: stash: '%s' is not 'stopping'\n", args->argv[0]);
		return EXIT_USAGE;
	}
	if (r == 0)
		r = pool_open(settings.pool, &pool, &err);
	if (r == 0)
		r = fill(pool, stopping, &report, &err);
	if (r == 0 && !args->quiet)
		printf("%u volumes stashed, %u were waiting already\n", report.stashed, report.waiting);
	if (r < 0)
		return cli_fail(args, &err);
	/* Quotas that are off keep starts from happening, not data from being kept. */
	r = reconcile_default(&settings, pool, &err);
	if (r == 0)
		r = reconcile_reserves(&settings, pool, &err);
	if (r < 0)
		(void)cli_fail(args, &err);
	return EXIT_DONE;
}
