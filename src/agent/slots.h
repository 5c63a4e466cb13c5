/*
 * Slots of a pool of nodes: as many Leases as nodes may be disrupted at once. A node that has to interrupt
 * something takes one first, and gives it back behind that. Without an API server that answers it gets none,
 * and interrupts nothing. A host that is in no cluster needs none.
 */
#ifndef AGENT_SLOTS_H
#define AGENT_SLOTS_H

#include "agent/inside.h"

/* Is there nothing to wait for: no cluster, or a slot of ours, of which the API server has just said so? */
bool slot_is_held(const struct agent *agent);

/* Try to get one, or to hear of the one that is held, for as long as it takes; agent_slot_taken() is called then. */
void slot_want(struct agent *agent);

/* The API server answers again: who waits for it, waits no longer. */
void slots_hurry(struct agent *agent);

/* Behind the interruption; and where none is needed any more. */
void slot_give_back(struct agent *agent);

void slots_close(struct agent *agent);

#endif
