/* The short way: one unit, of which nothing but its running is missing. */
#include "node/carry_out.h"
#include "node/judge.h"
#include "step/pool_check.h"

static bool pool_is_there(const struct spec *spec)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;

	return mount_table_read_self(&table, NULL) == 0 && !pool_missing_mount(&table, spec);
}

int node_start_unit(struct node *node, const char *unit, struct error *err)
{
	const struct journal_entry *e = journal_finished(&node->journal, change_start.name, unit);
	_cleanup_(plan_release) struct plan plan = PLAN_INIT;
	char why[JUDGE_WHY_MAX];
	int r;

	if (!e)
		return error_set(err, ENOENT, "no installation has started '%s' on this host", unit);
	if (!host_is_rooted(&node->host) && !pool_is_there(&node->spec))
		return error_set(err, EAGAIN, "'%s' is not started: the pool is not mounted", unit);
	plan.step = e->step;
	r = plan_add(&plan, &node->ctx.change, &change_start, unit, json_object(), NULL, NULL, err);
	if (r <= 0)
		return r;
	if (node->unasked && !judge_change(node, &plan, &plan.items[0], why))
		return error_set(err, EPERM, "'%s' is not started: %s", unit, why);
	return carry_out_one(node, &plan.items[0], err);
}
