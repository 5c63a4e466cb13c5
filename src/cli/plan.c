/* berth plan: every change that would be made. */
#include "cli/plan_print.h"
#include "cli/ui.h"
#include "node/offline.h"

static int print(const struct arguments *args, struct node *node, const struct plan *plan,
		 const struct report *report, struct error *err)
{
	ui_report(args, report, false);
	if (plan->len)
		return plan_print(node, plan, err);
	puts("Nothing to do: this machine is as the settings say.");
	return 0;
}

static int show(const struct arguments *args, struct node *node, struct error *err)
{
	_cleanup_(report_release) struct report report = REPORT_INIT;
	_cleanup_(plan_release) struct plan plan = PLAN_INIT;
	int r = facts_read(&node->ctx, err);

	if (r == 0)
		r = node_check(node, &report, err);
	if (r == 0 && report_count(&report, CHECK_FAIL)) {
		ui_report(args, &report, false);
		error_set(err, ECANCELED, "this machine cannot be a sandbox host as it is");
		return cli_refused(args, &report, err);
	}
	if (r == 0)
		r = node_plan(node, args->step, &plan, err);
	if (r < 0)
		return r;
	if (args->json)
		r = plan_print_json(node, &plan, &report, err);
	else if (!args->quiet)
		r = print(args, node, &plan, &report, err);
	return r < 0 ? r : plan.len > 0;
}

int command_plan(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	r = args->bundle ? offline_check(&node, args->bundle, &err) : 0;
	if (r == 0)
		r = show(args, &node, &err);
	if (r == -ECANCELED)
		return EXIT_FAILED; /* told with its checks */
	if (r < 0)
		return cli_fail(args, &err);
	return r ? EXIT_PENDING : EXIT_DONE;
}
