/*
 * berth stash: for sysbox-mgr.service and berth-stash.service, before sysbox-mgr starts and before it
 * stops: inner data of sandboxes out of its reach, and a start reserve for whoever does not run.
 */
#include <stdio.h>

#include "cli/command.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/reconcile.h"
#include "sandbox/stash.h"
#include "step/layout.h"

int command_stash(const struct arguments *args)
{
	struct stash_report report = { 0 };
	struct error err = ERROR_INIT;
	struct settings settings;
	_cleanup_fd_ int pool = -EBADF;
	int r = settings_read(RUNC_CONF, &settings, &err);

	if (r == 0)
		r = pool_open(settings.pool, &pool, &err);
	if (r == 0)
		r = stash_all(pool, &report, &err);
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
