/* Changes to units that steps ask for together. */
#ifndef STEP_UNIT_PLAN_H
#define STEP_UNIT_PLAN_H

#include "step/step.h"

/* A unit enabled at boot, and started. */
int plan_running(struct step_context *ctx, struct plan *plan, const char *unit, struct error *err);

/* Files of a service and of the timer that starts it, and the timer running. */
int plan_timer(struct step_context *ctx, struct plan *plan, const char *service,
	       const char *service_text, const char *timer, const char *timer_text, struct error *err);

#endif
