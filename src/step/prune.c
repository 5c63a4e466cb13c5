/* Unused images and build cache go once a day, by a timer: a pool that fills up stops sandboxes. */
#include "step/layout.h"
#include "step/table.h"
#include "step/unit_plan.h"

/* At the lowest priority: it has all day, and the sandboxes have none of it to spare. */
static const char SERVICE[] =
	"# Written by berth: removes images that no container has, and build cache, when they are old.\n"
	"[Unit]\n"
	"Description=berth prune\n"
	"Documentation=man:berth(8)\n"
	"After=docker.service\n"
	"\n"
	"[Service]\n"
	"Type=oneshot\n"
	"ExecStart=" BERTH_PROGRAM " prune scheduled --wait=1h\n"
	"TimeoutStartSec=6h\n"
	"Nice=19\n"
	"IOSchedulingClass=idle\n";

/* Spread, so that nodes of one kind do not all do it at midnight. */
static const char TIMER[] =
	"# Written by berth: see " PRUNE_SERVICE ". prune.older_than says how old.\n"
	"[Unit]\n"
	"Description=berth prune every day\n"
	"Documentation=man:berth(8)\n"
	"\n"
	"[Timer]\n"
	"OnCalendar=daily\n"
	"RandomizedDelaySec=6h\n"
	"Persistent=true\n"
	"\n"
	"[Install]\n"
	"WantedBy=timers.target\n";

static int plan_prune(struct step_context *ctx, struct plan *plan, struct error *err)
{
	if (!ctx->spec->prune.enabled)
		return 0;
	return plan_timer(ctx, plan, PRUNE_SERVICE, SERVICE, PRUNE_TIMER, TIMER, err);
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	const struct unit_state *timer;
	int r;

	if (!ctx->spec->prune.enabled) {
		strbuf_puts(ret, "prune.enabled is false");
		*ret_verdict = CHECK_SKIP;
		return 0;
	}
	r = context_unit(&ctx->change, PRUNE_TIMER, &timer, err);
	if (r < 0)
		return r;
	strbuf_printf(ret, "timer %s", timer->active ? timer->active : "unknown");
	if (!unit_is(timer->active, "active"))
		*ret_verdict = CHECK_WARN;
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	const struct unit_state *timer;
	int r;

	if (!ctx->spec->prune.enabled) {
		report_add(report, "prune.timer", CHECK_SKIP, NULL, "prune.enabled is false");
		return 0;
	}
	r = context_unit(&ctx->change, PRUNE_TIMER, &timer, err);
	if (r < 0)
		return r;
	if (unit_is(timer->active, "active"))
		report_add(report, "prune.timer", CHECK_PASS, NULL,
			   "unused images and build cache are removed every day");
	else
		report_add(report, "prune.timer", CHECK_FAIL, "run berth install",
			   PRUNE_TIMER " is %s: unused images pile up",
			   timer->active ? timer->active : "unknown");
	return 0;
}

const struct step step_prune = {
	.name = "prune",
	.summary = "unused images and build cache go when they are old",
	.wanted = spec_has_docker,
	.probe = probe,
	.plan = plan_prune,
	.verify = verify,
};
