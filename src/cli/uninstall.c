/* berth uninstall: put everything back. */
#include "cli/ui.h"

static int dry_run(const struct arguments *args, const struct journal *journal)
{
	_cleanup_json_ json_t *array = json_array();
	size_t n = 0;

	for (size_t i = journal->len; i > 0; i--) {
		const struct journal_entry *e = &journal->entries[i - 1];

		if (!journal_in_force(e))
			continue;
		n++;
		if (!args->json)
			printf("  undo %-9s %s\n", e->kind, e->target);
		(void)json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "step", e->step, "kind",
							     e->kind, "target", e->target));
	}
	if (args->json)
		return cli_print_json(array);
	printf("%zu changes would be undone, each only if it is still what berth left.\n", n);
	return EXIT_DONE;
}

static int finish(const struct arguments *args, const struct undo_summary *summary)
{
	if (args->json)
		ui_event(json_pack("{s:s, s:i, s:i, s:i}", "event", "end", "undone", (int)summary->undone,
				   "nothing", (int)summary->nothing, "left", (int)summary->left));
	if (args->json || args->quiet)
		return EXIT_DONE;
	if (summary->forgotten)
		printf("Done: %u changes undone, %u stay as they are (see above); berth has forgotten them.\n",
		       summary->undone, summary->left);
	else if (summary->left)
		printf("Done: %u changes undone, %u left as they are (see above; the journal is kept).\n",
		       summary->undone, summary->left);
	else
		printf("Done: %u changes undone, nothing of berth is left.\n", summary->undone);
	return EXIT_DONE;
}

int command_uninstall(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct undo_summary summary = { 0 };
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	if (args->dry_run)
		return dry_run(args, &node.journal);
	ui_begin(args, &node);
	r = cli_lock(args, &node, "uninstall");
	if (r) {
		ui_end();
		return r;
	}
	journal_close(&node.journal);
	r = journal_read(&node.host, &node.journal, &err);
	if (r == 0 && !node.journal.len) {
		r = node_forget(&node, &err);
		ui_end();
		if (r < 0)
			return cli_fail(args, &err);
		if (args->json)
			return finish(args, &summary);
		if (!args->quiet)
			puts("Nothing to undo: berth has changed nothing here.");
		return EXIT_DONE;
	}
	if (r == 0)
		r = node_uninstall(&node, args->delete_data, &summary, &err);
	ui_end();
	return r < 0 ? cli_fail(args, &err) : finish(args, &summary);
}
