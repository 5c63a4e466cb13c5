/*
 * What each sandbox uses, for a scrape: figures are read anew each time (one quotactl a sandbox), names when a
 * sandbox is seen for the first time, and when its engine has written its files anew: it may have renamed it.
 */
#ifndef AGENT_USAGE_H
#define AGENT_USAGE_H

#include "base/error.h"
#include "host/host.h"
#include "sys/quota.h"

struct usage {
	char *id;
	char *name; /* "" where its engine knows of none */
	const char *engine;
	uint64_t name_stamp; /* of the file the name is of, sandbox_name_stamp() */
	struct quota_usage quota;
	bool seen; /* by the last reading */
};

struct usages {
	struct usage *items; /* sorted by id */
	size_t len;
	unsigned orphans; /* stashes whose sandbox is gone */
	uint64_t orphan_bytes;
};

void usages_release(struct usages *usages);

/* No pool: none. One that cannot be read is left out. */
int usages_refresh(struct usages *usages, const struct host *host, struct error *err);

#endif
