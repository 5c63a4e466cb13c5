#include "step/pool_part.h"

#include "base/strbuf.h"
#include "change/tree_copy.h"
#include "step/layout.h"
#include "step/unit_plan.h"

static char *bind_unit(const char *what, const char *where, const char *before)
{
	return xasprintf("# Written by berth: a part of the pool where its user expects it.\n"
			 "[Unit]\n"
			 "Description=berth pool on %s\n"
			 "Documentation=man:berth(8)\n"
			 "DefaultDependencies=no\n"
			 "Requires=" POOL_MOUNT "\n"
			 "After=" POOL_MOUNT "\n"
			 "Conflicts=umount.target\n"
			 "Before=umount.target %s\n"
			 "\n"
			 "[Mount]\n"
			 "What=%s\n"
			 "Where=%s\n"
			 "Type=none\n"
			 "Options=bind\n"
			 "\n"
			 "[Install]\n"
			 "WantedBy=multi-user.target\n",
			 where, before, what, where);
}

static int plan_move(struct step_context *ctx, struct plan *plan, const struct pool_part *p, uint64_t *room,
		     struct error *err)
{
	json_t *want = *room == UINT64_MAX ? json_pack("{s:s}", "to", p->dir) :
					     json_pack("{s:s, s:I}", "to", p->dir, "capacity", (json_int_t)*room);
	struct tree_usage usage;
	int r = plan_add(plan, &ctx->change, &change_move, p->place, want, NULL,
			 "existing data, copied and compared; the old copy stays until verified", err);

	if (r > 0 && *room != UINT64_MAX && tree_usage(ctx->host, p->place, &usage, NULL) == 0)
		*room -= MIN_OF(*room, tree_copy_needs(&usage));
	return r;
}

int pool_part_plan(struct step_context *ctx, struct plan *plan, const struct pool_part *p, uint64_t *room,
		   struct error *err)
{
	_cleanup_free_ char *path = xasprintf(UNIT_DIR "/%s", p->mount);
	_cleanup_free_ char *unit = bind_unit(p->dir, p->place, p->before);
	int r = path && unit ? 0 : error_errno(err, ENOMEM, "plan the pool's units");

	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_pool_dir, p->dir,
			     json_pack("{s:i, s:s}", "mode", p->mode, "place", p->place), NULL, NULL,
			     err);
	if (r >= 0)
		r = plan_move(ctx, plan, p, room, err);
	if (r >= 0)
		r = plan_file(plan, &ctx->change, path, unit, 0644, NULL, err);
	if (r >= 0)
		r = plan_running(ctx, plan, p->mount, err);
	return r;
}
