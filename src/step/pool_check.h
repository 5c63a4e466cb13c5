/* Looking at the pool and proving it: what is mounted, quota state, and a project filled to its limit. */
#ifndef STEP_POOL_CHECK_H
#define STEP_POOL_CHECK_H

#include "step/step.h"

int pool_probe(struct step_context *ctx, const char *target, struct strbuf *ret,
	       enum verdict *ret_verdict, struct error *err);

/* The first of the pool's three places that the pool is not mounted at; NULL: it is at all of them. */
const char *pool_missing_mount(const struct mount_table *mounts, const struct spec *spec);

/*
 * Before the first change: a disk of its own at a place that the pool is to be bound to would be hidden beneath it at
 * the next boot, with all that is on it.
 */
void pool_check_places(struct step_context *ctx, struct report *report);

/* Does an image that is there have the size that the settings name? Only said: it is not changed. */
void pool_check_size(struct step_context *ctx, struct report *report);

int pool_verify(struct step_context *ctx, struct report *report, struct error *err);

/* Remove the old copies of what was moved into the pool. */
int pool_settle(struct step_context *ctx, struct error *err);

#endif
