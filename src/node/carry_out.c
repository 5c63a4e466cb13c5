#include "node/carry_out.h"

#include "base/clock.h"

/* The intent, and what was there before the first time. */
static int begin_one(struct node *node, const struct change *change, json_t **ret_before,
		     uint64_t *ret_number, struct error *err)
{
	struct journal *journal = &node->journal;
	const char *kind = change->kind->name;
	const struct journal_entry *cut = journal_unfinished(journal, kind, change->target);
	const struct journal_entry *once =
		!cut && change->kind->repeats ? journal_finished(journal, kind, change->target) : NULL;
	_cleanup_json_ json_t *found = NULL;
	int r;

	if (cut) {
		*ret_before = json_incref(cut->before);
		return journal_begin(journal, change, *ret_before, cut->number, ret_number, err);
	}
	r = change->kind->capture(&node->ctx.change, change, &found, err);
	if (r < 0)
		return r;
	if (!once) {
		*ret_before = json_incref(found);
		return journal_begin(journal, change, found, 0, ret_number, err);
	}
	*ret_number = once->number;
	*ret_before = json_incref(once->before);
	return journal_again(journal, *ret_number, change, found, err);
}

static int apply_one(struct node *node, const struct change *change, struct error *err)
{
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	uint64_t number = 0;
	int r = begin_one(node, change, &before, &number, err);

	if (r == 0)
		r = change->kind->apply(&node->ctx.change, change, before, &after, err);
	if (r == 0)
		r = journal_done(&node->journal, number, after, err);
	return r;
}

int carry_out_one(struct node *node, const struct change *change, struct error *err)
{
	const struct observer *o = &node->observer;
	uint64_t start = monotonic_ms();
	int r;

	if (o->change_begin)
		o->change_begin(o->userdata, change);
	r = apply_one(node, change, err);
	if (o->change_end)
		o->change_end(o->userdata, change, r == 0, monotonic_ms() - start);
	return r < 0 ? error_context(err, "%s", change->step) : 0;
}
