/* Forward: checks, plan, preparation, journaled changes, verification, settling. */
#include "base/clock.h"
#include "change/packages.h"
#include "change/triggers.h"
#include "node/carry_out.h"
#include "node/judge.h"
#include "node/replace.h"
#include "node/stage.h"
#include "step/table.h"

/*
 * Get what is needed from outside for the whole plan (after this, no network is needed), and find out what would be
 * refused in the middle.
 */
static int prepare(struct node *node, const struct plan *plan, struct error *err)
{
	struct stage stage = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->len; i++) {
		const struct change *c = &plan->items[i];

		if (!c->kind->prepare)
			continue;
		if (!stage.name)
			stage_begin(&stage, node, "fetch", "fetch",
				    "all that is needed is here and will be taken; nothing was changed so far");
		r = c->kind->prepare(&node->ctx.change, c, err);
		if (r < 0)
			r = error_context(err, "%s", c->step);
	}
	stage_end(&stage, r == 0);
	return r;
}

static int apply_all(struct node *node, const struct plan *plan, struct error *err)
{
	struct stage stage = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->len; i++) {
		const struct change *change = &plan->items[i];

		if (!stage.name || strcmp(stage.name, change->step) != 0) {
			stage_end(&stage, true);
			stage_begin(&stage, node, "apply", change->step,
				    step_find(change->step)->summary);
		}
		r = carry_out_one(node, change, err);
	}
	stage_end(&stage, r == 0);
	/* Files of units that no later change started (drop-ins alone) must be known all the same. */
	return r < 0 ? r : context_end(&node->ctx.change, err);
}

/* The kind of an entry that was cut off; NULL: it is finished, or not in force. */
static const struct change_kind *cut_off(const struct journal_entry *e)
{
	return journal_in_force(e) && !e->after ? change_kind_find(e->kind) : NULL;
}

/* Such a one is not done when it looks so: its own resume() tells. */
static bool must_resume(const struct node *node, const struct change_kind *kind)
{
	return kind->resume && !host_is_rooted(&node->host);
}

/*
 * Entries that were cut off and are not needed any more, because all they were to do had been done:
 * only the record of it is missing.
 */
static int close_cut_off(struct node *node, const struct plan *plan, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < node->journal.len; i++) {
		const struct journal_entry *e = &node->journal.entries[i];
		const struct change_kind *kind = cut_off(e);

		if (kind && !must_resume(node, kind) && !plan_find(plan, kind, e->target))
			r = carry_out_cut_off(node, e, err);
	}
	return r;
}

/* Of a step by itself nothing is settled but what ran before it stopped Docker. */
static int settle(struct node *node, const char *only, struct error *err)
{
	for (const struct step *const *s = steps; *s; s++) {
		bool now = (*s)->settle && (!only || *s == &step_services);
		int r = now ? (*s)->settle(&node->ctx, err) : 0;

		if (r < 0)
			return error_context(err, "%s", (*s)->name);
	}
	if (only)
		return 0;
	for (size_t i = 0; i < node->journal.len; i++) {
		const struct change_kind *kind = cut_off(&node->journal.entries[i]);

		/* The next run goes on with it. */
		if (kind && must_resume(node, kind))
			return 0;
	}
	return journal_mark(&node->journal, "verified", BERTH_VERSION, err);
}

/* In one line, as an agent has no list of checks to show. */
static int does_not_hold(const struct report *report, struct error *err)
{
	size_t failed = report_count(report, CHECK_FAIL), i = 0;
	char more[48] = "";

	while (report->items[i].verdict != CHECK_FAIL)
		i++;
	if (failed > 1)
		(void)snprintf(more, sizeof(more), " (and %zu more)", failed - 1);
	return error_set(err, EPROTO, "the changes are made but do not hold: %s: %.600s%s", report->items[i].id,
			 report->items[i].text, more);
}

static int prove(struct node *node, const char *only, struct report *report, struct error *err)
{
	int r = facts_read(&node->ctx, err);

	report_release(report);
	if (r == 0)
		r = node_verify(node, only, report, err);
	if (r < 0)
		return r;
	return report_count(report, CHECK_FAIL) ? does_not_hold(report, err) : 0;
}

/* A run that failed begins nothing more, but what it began must not go on behind its back. */
static int end_triggers(struct node *node, int r, struct error *err)
{
	struct stage stage = { 0 };

	if (node->ctx.change.triggers.pid)
		stage_begin(&stage, node, "finish", "triggers",
			    "the packages' own work behind the installation (an initramfs, caches)");
	if (r == 0)
		r = triggers_finish(&node->ctx.change, err);
	else
		triggers_wait(&node->ctx.change);
	stage_end(&stage, r == 0);
	return r;
}

/* What a plan that was carried out leaves to do is a defect of ours: say so rather than loop. */
static int converged(struct node *node, const char *only, struct error *err)
{
	_cleanup_(plan_release) struct plan rest = PLAN_INIT;
	unsigned masked;
	int r = facts_read(&node->ctx, err);

	if (r == 0)
		r = node_plan(node, only, &rest, err);
	if (r == 0 && node->unasked)
		(void)judge_plan(node, &rest, &masked);
	if (r == 0 && rest.len)
		r = error_set(err, EPROTO,
			      "%s: '%s' (%s) still differs after it was changed: something else on this "
			      "host keeps changing it",
			      rest.items[0].step, rest.items[0].target, rest.items[0].kind->name);
	return r;
}

/* The package transaction that the last run was cut off in: on its way in, or out again. */
static const struct journal_entry *packages_under_way(const struct journal *journal)
{
	const struct journal_entry *cut = journal_unfinished(journal, "packages", "packages");
	bool undoing = false;

	for (size_t i = journal->len; !cut && i > 0; i--) {
		const struct journal_entry *e = &journal->entries[i - 1];

		if (journal_in_force(e))
			return undoing && strcmp(e->kind, change_packages.name) == 0 ? e : NULL;
		undoing = undoing || e->undone_now;
	}
	return cut;
}

static int repair_packages(struct node *node, struct error *err)
{
	const struct journal_entry *e = packages_under_way(&node->journal);

	return e ? packages_repair(&node->ctx.change, e->want, e->before, err) : 0;
}

static int install(struct node *node, const char *only, const char *command, struct report *report, struct error *err)
{
	_cleanup_(plan_release) struct plan plan = PLAN_INIT;
	int r = node_clean_up(node, err);
	unsigned left = 0, masked = 0, none;

	if (r == 0)
		r = repair_packages(node, err);
	if (r == 0)
		r = facts_read(&node->ctx, err);
	/* A node at work is repaired whatever speaks against making it one. */
	if (r == 0 && !(node->unasked && node->journal.ever_verified))
		r = node_check(node, report, err);
	if (r == 0 && report_count(report, CHECK_FAIL))
		r = error_set(err, ECANCELED, "this machine cannot be a sandbox host as it is; nothing "
			      "was changed");
	if (r == 0)
		r = node_plan(node, only, &plan, err);
	if (r < 0)
		return r;
	if (node->unasked)
		left = judge_plan(node, &plan, &masked);
	/* An agent that begins on a host that was proven by another proves it for itself. */
	if (!plan.len && node->journal.verified && node->proves && !masked)
		return prove(node, only, report, err);
	if (!plan.len && (node->journal.verified || only || masked))
		return 0;
	r = prepare(node, &plan, err);
	if (r == 0)
		replace_begin(node, &plan);
	/* Sandboxes that stay: all but that is done. */
	if (r == 0 && *node->replace_waits)
		left += judge_plan(node, &plan, &none);
	if (r == 0)
		r = journal_mark(&node->journal, "run", command, err);
	/* What the judge took out of the plan is not done for that. */
	if (r == 0 && !only && !left)
		r = close_cut_off(node, &plan, err);
	if (r == 0)
		r = apply_all(node, &plan, err);
	if (r == 0)
		r = converged(node, only, err);
	/* What somebody has masked does not run: as long as that is so there is nothing to prove. */
	if (r == 0 && !masked)
		r = prove(node, only, report, err);
	r = end_triggers(node, r, err);
	if (r == 0 && !masked)
		r = settle(node, only, err);
	return r < 0 ? r : 1;
}

int node_install(struct node *node, const char *only, const char *command, struct report *report,
		 struct error *err)
{
	int r = install(node, only, command, report, err);

	replace_end(node);
	return r;
}
