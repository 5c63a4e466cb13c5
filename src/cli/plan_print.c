#include "cli/plan_print.h"

#include "cli/ui.h"

static void print_diff(const char *text)
{
	for (const char *p = text; *p;) {
		const char *end = strchrnul(p, '\n');
		const char *colour = *p == '+' ? ui_colour(CHECK_PASS) :
				     *p == '-' ? ui_colour(CHECK_FAIL) :
				     *p == '@' ? ui_colour(CHECK_SKIP) :
						 "";

		printf("      %s%.*s%s\n", colour, (int)(end - p), p, *colour ? ui_plain() : "");
		p = *end ? end + 1 : end;
	}
}

static int describe(struct node *node, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	int r = change->kind->describe(&node->ctx.change, change, out, err);

	return r < 0 ? error_context(err, "%s", change->step) : 0;
}

int plan_print(struct node *node, const struct plan *plan, struct error *err)
{
	_cleanup_(strv_release) struct strv interrupts = STRV_INIT;
	const char *step = "";

	for (size_t i = 0; i < plan->len; i++) {
		const struct change *c = &plan->items[i];
		_cleanup_(strbuf_release) struct strbuf diff = STRBUF_INIT;
		int r = describe(node, c, &diff, err);

		if (r < 0)
			return r;
		if (strcmp(step, c->step) != 0)
			printf("%s%s: %s\n", i ? "\n" : "", c->step, step_find(c->step)->summary);
		step = c->step;
		printf("  %s %s%s%s%s\n", change_verb(c->kind), c->target, c->why ? " (" : "",
		       c->why ? c->why : "", c->why ? ")" : "");
		print_diff(strbuf_str(&diff));
		if (c->interrupts && strv_add_new(&interrupts, c->interrupts) < 0)
			return error_errno(err, ENOMEM, "print the plan");
	}
	printf("\n%zu change%s.", plan->len, plan->len == 1 ? "" : "s");
	if (interrupts.len) {
		_cleanup_free_ char *list = strv_join(&interrupts, "; ");

		printf(" Interrupts %s.\n", list ? list : "");
	} else {
		puts(" Nothing is interrupted.");
	}
	return 0;
}

int plan_print_json(struct node *node, const struct plan *plan, const struct report *report,
		    struct error *err)
{
	_cleanup_json_ json_t *changes = json_array();
	_cleanup_json_ json_t *root = NULL;

	for (size_t i = 0; i < plan->len; i++) {
		const struct change *c = &plan->items[i];
		_cleanup_(strbuf_release) struct strbuf diff = STRBUF_INIT;
		int r = describe(node, c, &diff, err);

		if (r < 0)
			return r;
		(void)json_array_append_new(
			changes, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:O}", "step", c->step,
					   "kind", c->kind->name, "target", c->target, "diff",
					   strbuf_str(&diff), "why", c->why, "interrupts",
					   c->interrupts, "want", c->want));
	}
	root = json_pack("{s:O, s:o}", "changes", changes, "checks", report_json(report));
	return cli_print_json(root) == EXIT_DONE ? 0 : error_errno(err, EIO, "print the plan");
}
