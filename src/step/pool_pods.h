/*
 * What pods write, on the pool too, where the settings say so (pool.pods): containerd's storage and kubelet's folder.
 * Only so is a pod's whole root file system in its budget, and its emptyDirs. Both can be moved only while no container
 * runs: on a node that has none yet, or none any more.
 */
#ifndef STEP_POOL_PODS_H
#define STEP_POOL_PODS_H

#include "step/step.h"

/* `room`: as in pool_part.h. */
int pool_pods_plan(struct step_context *ctx, struct plan *plan, uint64_t *room, struct error *err);

/* Before the first change: is it to be, and can it? */
void pool_pods_check(struct step_context *ctx, struct report *report);

/* The place that is not on the pool though it must be; NULL: none. */
const char *pool_pods_missing(const struct mount_table *mounts, const struct spec *spec);

#endif
