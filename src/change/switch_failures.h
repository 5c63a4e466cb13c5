/*
 * How often a kubelet's move was taken back: nobody's agent tries it for ever, as each try ends the pods of DaemonSets.
 * Counted for the same move alone; one that was asked for by a person is made whatever the count, and one that
 * succeeds ends it.
 */
#ifndef CHANGE_SWITCH_FAILURES_H
#define CHANGE_SWITCH_FAILURES_H

#include "change/change.h"

/* `want` is the change's. */
unsigned switch_failures(const struct host *host, const json_t *want);
int switch_failures_add(const struct host *host, const json_t *want, struct error *err);
int switch_failures_forget(const struct host *host, struct error *err);

#endif
