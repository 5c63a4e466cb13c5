/* berth status: what is there now, step by step, and what the journal knows. */
#include "cli/command.h"
#include "cli/ui.h"

static const char *state_of(const struct journal_entry *e)
{
	return e->outcome ? e->outcome : e->superseded ? "resumed" : e->after ? "done" : "unfinished";
}

static int show_journal(const struct arguments *args, const struct journal *journal)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		if (!args->json)
			printf("%5" PRIu64 " %-10s %-12s %-9s %s%s%s\n", e->number, state_of(e), e->step,
			       e->kind, e->target, e->why ? ": " : "", e->why ? e->why : "");
		(void)json_array_append_new(
			array, json_pack("{s:I, s:s, s:s, s:s, s:s, s:O, s:O, s:O?, s:s?}", "number",
					 (json_int_t)e->number, "state", state_of(e), "step", e->step,
					 "kind", e->kind, "target", e->target, "want", e->want, "before",
					 e->before, "after", e->after, "why", e->why));
	}
	if (args->json)
		return cli_print_json(array);
	if (!journal->len)
		puts("The journal is empty: berth has changed nothing here.");
	if (journal->dropped_tail)
		puts("The last record was cut off while it was written, and does not count.");
	return EXIT_DONE;
}

static size_t count(const struct journal *journal, bool unfinished)
{
	size_t n = 0;

	for (size_t i = 0; i < journal->len; i++)
		n += journal_in_force(&journal->entries[i]) &&
		     unfinished == !journal->entries[i].after;
	return n;
}

static int show(const struct arguments *args, struct node *node, struct error *err)
{
	_cleanup_json_ json_t *lines = json_object();
	size_t done = count(&node->journal, false), cut = count(&node->journal, true);
	int r = facts_read(&node->ctx, err);

	for (const struct step *const *s = steps; r == 0 && *s; s++) {
		_cleanup_(strbuf_release) struct strbuf line = STRBUF_INIT;
		enum verdict verdict = CHECK_PASS;

		if (!(*s)->probe || !step_wanted(*s, &node->spec))
			continue;
		r = (*s)->probe(&node->ctx, &line, &verdict, err);
		if (r < 0) {
			strbuf_reset(&line);
			strbuf_puts(&line, err->message);
			error_clear(err);
			verdict = CHECK_FAIL;
			r = 0;
		}
		if (!args->json)
			printf("%s%-12s%s %s\n", ui_colour(verdict), (*s)->name, ui_plain(), strbuf_str(&line));
		(void)json_object_set_new(lines, (*s)->name, json_string(strbuf_str(&line)));
	}
	if (r < 0)
		return r;
	if (args->json) {
		_cleanup_json_ json_t *root =
			json_pack("{s:O, s:{s:I, s:I, s:b}}", "steps", lines, "journal", "changes",
				  (json_int_t)done, "unfinished", (json_int_t)cut, "verified",
				  node->journal.verified);

		return cli_print_json(root) == EXIT_DONE ? 0 : -EIO;
	}
	printf("%s%-12s%s %zu changes in force%s%s\n", ui_colour(cut ? CHECK_FAIL : CHECK_PASS), "journal",
	       ui_plain(), done,
	       cut ? ", one was cut off: run berth install (or uninstall)" : "",
	       node->journal.verified ? ", verified" : "");
	return 0;
}

int command_status(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	if (args->journal)
		return show_journal(args, &node.journal);
	return show(args, &node, &err) < 0 ? cli_fail(args, &err) : EXIT_DONE;
}
