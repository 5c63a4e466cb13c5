/*
 * The mounts of a sandbox being made, in a mount namespace of their own: the real runc then starts
 * from there, and nothing of it is ever seen on the host or left behind.
 */
#ifndef STANDIN_PRIVATE_H
#define STANDIN_PRIVATE_H

#include "ids.h"

#include <jansson.h>

struct private_plan {
	const char *bundle;
	const char *rootfs;
	struct id_range range;
	/* Lower layers and volumes are root's and are to be ID-mapped. */
	bool idmapped;
	/* The engine maps ids itself: its bind mounts are as it wants them. */
	bool own;
	/* [{source, target}] */
	const json_t *volumes;
};

/*
 * Leave the caller in that namespace, with <bundle>/config.json showing `spec` adjusted to it. To
 * be called in a child that then executes runc.
 */
int private_enter(const struct private_plan *plan, json_t *spec, struct failure *f);

#endif
