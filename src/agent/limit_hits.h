/*
 * Sandboxes at their limit, as the kernel tells it within the write that it refuses: counted by project and
 * the sandbox it belongs to, and logged once a minute for each. A flood of refused writes wakes the agent
 * once a second.
 */
#ifndef AGENT_LIMIT_HITS_H
#define AGENT_LIMIT_HITS_H

#include "sys/dquot_events.h"

struct agent;

/* A kernel that tells nothing is no error: there are no counts then. */
void limit_hits_open(struct agent *agent);
void limit_hits_close(struct agent *agent);

/* What the kernel has told: counted is what is of the pool's file system and a sandbox's. */
void limit_hits_take(struct agent *agent, const struct dquot_event *events, size_t n);

/* Refused writes of that sandbox, which has that project, since the agent began; 0 also for an unknown one. */
uint64_t limit_hits_of(const struct agent *agent, uint32_t project, const char *sandbox);

#endif
