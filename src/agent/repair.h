/* From events to faults, from faults to repairs, and what a repair has done. */
#ifndef AGENT_REPAIR_H
#define AGENT_REPAIR_H

#include "agent/inside.h"

/* Look at the node, and take note of its faults; `since`: when the cause of the look was noticed. */
void agent_look_now(struct agent *agent, uint64_t since);

/* A fault is there, or is not: counted, logged, told. */
void agent_set_fault(struct agent *agent, enum fault_id id, bool is, const char *detail,
		     uint64_t since);

/* Begin the next repair that is due, or arm the timer for it. */
void agent_repair_next(struct agent *agent);

/* A file that a step owns has changed since the last convergence: put it right. */
void agent_look_at_drift(struct agent *agent);

/* Converge without a cause. */
void agent_recheck(struct agent *agent);

/* From the journal: was this host ever proven a sandbox host, and which files are to be watched? */
int agent_read_journal(struct agent *agent, struct error *err);

/* A slot of the pool is ours: what waited for one may interrupt now. */
void agent_slot_taken(struct agent *agent);

/* What the worker calls. */
void agent_worker_done(void *userdata, const struct worker_result *result);
void agent_worker_change(void *userdata, const char *kind, const char *target, bool ok, const char *left);

#endif
