/* berth install: make it so. berth converge: as far as nobody has to be asked. */
#include "base/clock.h"
#include "base/units.h"
#include "cli/ui.h"
#include "node/offline.h"

static int finish(const struct arguments *args, int r, uint64_t ms)
{
	char elapsed[UNITS_MAX];

	duration_format(ms, elapsed);
	if (args->json)
		ui_event(json_pack("{s:s, s:b, s:I}", "event", "end", "changed", r, "ms", (json_int_t)ms));
	if (args->json || args->quiet || args->evict)
		return EXIT_DONE;
	if (r && args->step)
		printf("Step '%s' is done. (%s)\n", args->step, elapsed);
	else if (r)
		printf("This machine is a sandbox host. (%s)\n", elapsed);
	else if (args->step)
		printf("Nothing to do: step '%s' is as the settings say.\n", args->step);
	else
		puts("Nothing to do: this machine is as the settings say.");
	return EXIT_DONE;
}

static int run(const struct arguments *args, const char *name, bool unasked)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	_cleanup_(report_release) struct report report = REPORT_INIT;
	uint64_t start = monotonic_ms();
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	node.unasked = unasked;
	node.interrupts = args->interrupts;
	node.ctx.wants_agent = args->install_unit;
	node.proves = unasked && !args->quick;
	if (args->quick)
		node.spec.verify.sandbox = false;
	ui_begin(args, &node);
	r = cli_lock(args, &node, name);
	if (r) {
		ui_end();
		return r;
	}
	/* The holder before us may have changed the journal since it was read. */
	journal_close(&node.journal);
	r = journal_read(&node.host, &node.journal, &err);
	/* Whoever had the lock before us may have taken all of it back: that is not to be repaired. */
	if (r == 0 && args->repair && (!node.journal.len || node.journal.uninstalled))
		r = error_set(&err, ECANCELED, "berth was uninstalled on this host: nothing is repaired");
	if (r == 0)
		r = args->bundle ? offline_use(&node, args->bundle, &err) : 0;
	if (r == 0)
		r = args->unit  ? node_start_unit(&node, args->unit, &err) :
		    args->evict ? node_evict_stranded(&node, &err) :
				  node_install(&node, args->step, name, &report, &err);
	ui_end();
	if (r < 0) {
		ui_report(args, &report, false);
		(void)cli_refused(args, &report, &err);
		return EXIT_FAILED;
	}
	return finish(args, r, monotonic_ms() - start);
}

int command_install(const struct arguments *args)
{
	return args->dry_run ? command_plan(args) : run(args, "install", false);
}

int command_agent_install(const struct arguments *args)
{
	return run(args, "agent --install-unit", false);
}

int command_converge(const struct arguments *args)
{
	return run(args, "converge", true);
}
