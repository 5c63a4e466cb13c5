/*
 * A kubelet that is stopped is started again, whatever becomes of the one who stopped it: a node that nobody restarts is
 * lost, and its agent with it. SIGINT, SIGTERM and SIGHUP wait meanwhile, and a timer of systemd's stands for SIGKILL and
 * for a kernel out of memory.
 */
#ifndef CHANGE_KUBELET_GUARD_H
#define CHANGE_KUBELET_GUARD_H

#include <signal.h>

#include "change/change.h"

struct kubelet_guard {
	sigset_t before;
};

/* Before the stop of that unit. With an error nothing is held and nothing is armed. */
int kubelet_guard_begin(struct change_context *ctx, const char *unit, struct kubelet_guard *ret, struct error *err);

/* Behind its start. A signal that came meanwhile is delivered now. */
void kubelet_guard_end(struct change_context *ctx, const struct kubelet_guard *guard);

/* The kubelet is Ready: nothing is waited for any more, also of one who was killed. */
void kubelet_guard_drop(struct change_context *ctx);

#endif
