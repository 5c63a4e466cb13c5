/*
 * Unused images and build cache of the node's Docker, removed when they are old enough. Containers
 * and volumes are never touched, nor an image that a container has, whether it runs or not. Docker
 * itself refuses what came into use between the look and the removal: that is skipped.
 */
#ifndef NODE_PRUNE_H
#define NODE_PRUNE_H

#include "node/node.h"
#include "node/prune_cache.h"
#include "node/prune_images.h"

#define PRUNE_NOTES CACHE_DIR "/prune.json" /* since when an image is seen unused */

struct prune_result {
	struct prune_images images; /* those that go first; outcomes are PENDING in a dry run */
	struct prune_cache cache;
	uint64_t freed; /* bytes of images; in a dry run what would be, at the most */
	bool exact;	/* as Docker has measured it, not a sum of images that may share layers */
};

#define PRUNE_RESULT_INIT ((struct prune_result){ 0 })
void prune_result_release(struct prune_result *result);

/*
 * `node` is opened, and locked unless it is a dry run. What is looked at is as the settings
 * prune.images and prune.build_cache say. On failure `ret` has what was done until then.
 *
 * -ENOTCONN: Docker is not running (it is not started for this); -EPROTO: its answers make no
 * sense; -EIO: it failed to remove some (their `why` says so); -EINVAL: this machine's clock is
 * off.
 */
int node_prune(struct node *node, uint64_t older_than_ms, bool dry_run, struct prune_result *ret,
	       struct error *err);

#endif
