#include "step/unit_plan.h"

#include "base/strbuf.h"
#include "step/layout.h"

int plan_running(struct step_context *ctx, struct plan *plan, const char *unit, struct error *err)
{
	int r = plan_add(plan, &ctx->change, &change_enable, unit, json_object(), NULL, NULL, err);

	return r < 0 ? r : plan_add(plan, &ctx->change, &change_start, unit, json_object(), NULL, NULL, err);
}

static int plan_unit_file(struct step_context *ctx, struct plan *plan, const char *unit,
			  const char *text, struct error *err)
{
	_cleanup_free_ char *path = xasprintf(UNIT_DIR "/%s", unit);

	return path ? plan_file(plan, &ctx->change, path, text, 0644, NULL, err) :
		      error_errno(err, ENOMEM, "plan '%s'", unit);
}

int plan_timer(struct step_context *ctx, struct plan *plan, const char *service,
	       const char *service_text, const char *timer, const char *timer_text, struct error *err)
{
	int r = plan_unit_file(ctx, plan, service, service_text, err);

	if (r >= 0)
		r = plan_unit_file(ctx, plan, timer, timer_text, err);
	return r < 0 ? r : plan_running(ctx, plan, timer, err);
}
