/* This process in a scope of the node's own, so that it outlives the pod that it was started in. */
#ifndef CHANGE_OWN_SCOPE_H
#define CHANGE_OWN_SCOPE_H

#include "change/change.h"

/* Into NAME-PID.scope by systemd, where we are in a pod's cgroup; nothing elsewhere. */
int own_scope_enter(struct change_context *ctx, const char *name, struct error *err);

#endif
