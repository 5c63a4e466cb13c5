/* A directory of the pool, bound where its user expects it. */
#ifndef STEP_POOL_PART_H
#define STEP_POOL_PART_H

#include "step/step.h"

struct pool_part {
	const char *place;  /* "/var/lib/docker" */
	const char *dir;    /* on the pool */
	const char *mount;  /* the unit, by systemd's name of `place` */
	const char *before; /* the unit that uses it */
	int mode;
};

/*
 * The directory, what was in its place moved in, its mount. The mount's unit is written last: its user
 * requires it, and a boot in the middle must not cover data that is not moved yet. Data that would not fit is refused;
 * `room` (pool_takes.h) is less by what is to be moved.
 */
int pool_part_plan(struct step_context *ctx, struct plan *plan, const struct pool_part *part, uint64_t *room,
		   struct error *err);

#endif
