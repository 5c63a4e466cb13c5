/* berth verify: prove it. */
#include "cli/ui.h"

static int print(const struct arguments *args, const struct report *report)
{
	size_t failed = report_count(report, CHECK_FAIL);

	if (args->json) {
		_cleanup_json_ json_t *value =
			json_pack("{s:b, s:o}", "ok", failed == 0, "checks", report_json(report));

		(void)cli_print_json(value);
	} else if (!args->quiet) {
		ui_report(args, report, true);
		printf("%zu passed, %zu failed, %zu warnings, %zu skipped\n",
		       report_count(report, CHECK_PASS), failed, report_count(report, CHECK_WARN),
		       report_count(report, CHECK_SKIP));
	}
	return failed ? EXIT_PENDING : EXIT_DONE;
}

int command_verify(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	_cleanup_(report_release) struct report report = REPORT_INIT;
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	/* It makes a project and a sandbox of its own: one at a time, and as root. */
	r = cli_lock(args, &node, "verify");
	if (r)
		return r;
	r = facts_read(&node.ctx, &err);
	if (r == 0)
		r = node_verify(&node, args->step, &report, &err);
	return r < 0 ? cli_fail(args, &err) : print(args, &report);
}
