/*
 * What the kernel tells the agent by itself: a daemon ended (pidfd), the mount table changed, a file that
 * a step owns was touched (inotify), a sandbox is at its limit (netlink).
 */
#ifndef AGENT_WATCH_H
#define AGENT_WATCH_H

#include "agent/inside.h"
#include "node/journal.h"

int watches_open(struct agent *agent, struct error *err);
void watches_close(struct agent *agent);

/* Wait for the ends of the daemons that the last look found. */
void watch_daemons(struct agent *agent);

/* Watch the files that the journal's changes in force have made; after each run of a worker. */
int watch_files(struct agent *agent, const struct journal *journal, struct error *err);

#endif
