#include "node/carry_out.h"

#include "base/clock.h"

/* Once more, at its place in the order; of one that was cut off in that, again. */
static int begin_again(struct node *node, const struct change *change, const struct journal_entry *once,
		       const json_t *found, json_t **ret_before, uint64_t *ret_number, struct error *err)
{
	_cleanup_json_ json_t *want = change->kind->unite_want ? change->kind->unite_want(once->want, change->want) :
								 json_incref(change->want);

	if (!want)
		return error_errno(err, ENOMEM, "note a change");
	*ret_number = once->number;
	*ret_before = json_incref(once->before);
	return journal_again(&node->journal, *ret_number, want, found, err);
}

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

	if (cut && !cut->found) {
		*ret_before = json_incref(cut->before);
		return journal_begin(journal, change, *ret_before, cut->number, ret_number, err);
	}
	r = change->kind->capture(&node->ctx.change, change, &found, err);
	if (r < 0)
		return r;
	if (cut || once)
		return begin_again(node, change, cut ? cut : once, found, ret_before, ret_number, err);
	*ret_before = json_incref(found);
	return journal_begin(journal, change, found, 0, ret_number, err);
}

/* Of a change that was made before, what both times have left. */
static int unite_after(const struct node *node, const struct change_kind *kind, uint64_t number, json_t **after,
		       struct error *err)
{
	const struct journal_entry *e = journal_find(&node->journal, number);
	json_t *united;

	if (!kind->unite_after || !e || !e->earlier)
		return 0;
	united = kind->unite_after(e->earlier, e->found, *after);
	if (!united)
		return error_errno(err, ENOMEM, "note a change");
	json_decref(*after);
	*after = united;
	return 0;
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
		r = unite_after(node, change->kind, number, &after, err);
	if (r == 0)
		r = journal_done(&node->journal, number, after, err);
	return r;
}

int carry_out_cut_off(struct node *node, const struct journal_entry *e, struct error *err)
{
	const struct change_record record = { e->target, e->want, e->before, NULL };
	const struct change_kind *kind = change_kind_find(e->kind);
	_cleanup_json_ json_t *after = NULL;
	uint64_t number = e->number;
	int r = 0;

	if (kind->finished)
		r = kind->finished(&node->ctx.change, &record, &after, err);
	else
		after = json_object();
	if (r == 0)
		r = unite_after(node, kind, number, &after, err);
	return r < 0 ? r : journal_done(&node->journal, number, after, err);
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
