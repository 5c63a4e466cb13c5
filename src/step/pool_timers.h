/* The pool's upkeep by systemd timers: growth and watch every minute, trim every week. */
#ifndef STEP_POOL_TIMERS_H
#define STEP_POOL_TIMERS_H

#include "step/step.h"

/* Units written, enabled, started; behind the mounts, so that uninstall takes them away before. */
int pool_timers_plan(struct step_context *ctx, struct plan *plan, struct error *err);

#endif
