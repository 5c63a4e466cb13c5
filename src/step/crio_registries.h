/* Mirrors of registries that the node's containerd has, for CRI-O: a node that has no other way out needs them. */
#ifndef STEP_CRIO_REGISTRIES_H
#define STEP_CRIO_REGISTRIES_H

#include "change/plan.h"
#include "step/report.h"
#include "step/step.h"

/* `folder`: containerd's config_path, or NULL: it has none. Those that cannot be carried over are warned of. */
void crio_registries_check(struct step_context *ctx, const char *folder, struct report *report);

/* /etc/containers/registries.conf.d and certs.d. */
int crio_registries_plan(struct step_context *ctx, const char *folder, struct plan *plan, struct error *err);

#endif
