/*
 * What of the build cache POST /build/prune would remove, told from GET /system/df: the rules are
 * BuildKit's own. What is in use stays, and what it is made of; so does what was used within the
 * limit. What was never used goes.
 */
#ifndef NODE_PRUNE_CACHE_H
#define NODE_PRUNE_CACHE_H

#include "base/json.h"
#include "base/strv.h"

struct prune_cache {
	struct strv ids; /* what goes, or went */
	uint64_t size;	 /* less what images have as well */
};

#define PRUNE_CACHE_INIT ((struct prune_cache){ 0 })
void prune_cache_release(struct prune_cache *cache);

/* The object with "BuildCache". -EPROTO for what is none. */
int prune_cache_judge(const json_t *usage, int64_t now, uint64_t limit_ms, struct prune_cache *ret,
		      struct error *err);

/* The answer of POST /build/prune: "CachesDeleted" and "SpaceReclaimed". */
int prune_cache_read(const json_t *report, struct prune_cache *ret, struct error *err);

#endif
