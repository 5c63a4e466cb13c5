/*
 * Installation without a network: bundles made on a machine that has one, used on a node that has none.
 */
#ifndef NODE_OFFLINE_H
#define NODE_OFFLINE_H

#include "node/node.h"

#define OFFLINE_DIR CACHE_DIR "/bundle"

/*
 * Verify the bundle whole, check that it is for this system, lay it out below the cache as a small apt
 * repository and let the node's run take packages from there. Nothing is touched by a bad one.
 */
int offline_use(struct node *node, const char *bundle_path, struct error *err);

/* Only verify it, and let the plan name it. */
int offline_check(struct node *node, const char *bundle_path, struct error *err);

struct offline_request {
	const char *output; /* NULL: berth-SUITE-ARCH.bundle in the working directory */
	const char *suite, *arch; /* NULL: this machine's; another one is refused */
};

/* Everything a clean node of this suite and architecture would download. free() ret_path. */
int offline_create(struct node *node, const struct offline_request *request, char **ret_path,
		   struct error *err);

#endif
