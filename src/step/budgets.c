/* Budgets are kept: once an hour what drifted is put right, and what is gone is released. */
#include "step/layout.h"
#include "step/table.h"
#include "step/unit_plan.h"

static const char SERVICE[] =
	"# Written by berth: budgets of sandboxes put right, and what sandboxes that are gone have left released.\n"
	"[Unit]\n"
	"Description=berth quota reconcile\n"
	"Documentation=man:berth(8)\n"
	"Requires=" POOL_MOUNT "\n"
	"After=" POOL_MOUNT " docker.service\n"
	"\n"
	"[Service]\n"
	"Type=oneshot\n"
	"ExecStart=" BERTH_PROGRAM " quota reconcile --quiet\n"
	"TimeoutStartSec=1h\n"
	"Nice=10\n"
	"IOSchedulingClass=idle\n";

static const char TIMER[] =
	"# Written by berth: see " RECONCILE_SERVICE ".\n"
	"[Unit]\n"
	"Description=berth quota reconcile every hour\n"
	"Documentation=man:berth(8)\n"
	"\n"
	"[Timer]\n"
	"OnBootSec=5min\n"
	"OnUnitActiveSec=1h\n"
	"RandomizedDelaySec=5min\n"
	"\n"
	"[Install]\n"
	"WantedBy=timers.target\n";

static int plan_budgets(struct step_context *ctx, struct plan *plan, struct error *err)
{
	return plan_timer(ctx, plan, RECONCILE_SERVICE, SERVICE, RECONCILE_TIMER, TIMER, err);
}

const struct step step_budgets = {
	.name = "budgets",
	.summary = "every sandbox's disk budget is kept",
	.plan = plan_budgets,
};
