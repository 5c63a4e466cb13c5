/*
 * How often a change was taken back that costs the node something each time: a kubelet's move ends the pods of DaemonSets,
 * a handler restarts the engine. Nobody's agent tries it for ever.
 *
 * Counted by kind, for the same `want` alone; one that was asked for by a person is made whatever the count, and one that
 * succeeds ends it.
 */
#ifndef CHANGE_FAILURES_H
#define CHANGE_FAILURES_H

#include "change/change.h"

unsigned failures(const struct host *host, const struct change_kind *kind, const json_t *want);
int failures_add(const struct host *host, const struct change_kind *kind, const json_t *want, struct error *err);
int failures_forget(const struct host *host, const struct change_kind *kind, struct error *err);

#endif
