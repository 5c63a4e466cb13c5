/*
 * Another release of Sysbox in the place of the installed one, by an agent: only where no sandbox loses by it, and as one of
 * the pool's interruptions. Whoever runs `berth install` has decided that by himself.
 *
 * Where a kubelet's pods are sandboxes the node is cordoned meanwhile, by the kubelet's own rights. A mark on the disk tells
 * of it until it is uncordoned again, also where this was cut off.
 */
#ifndef NODE_REPLACE_H
#define NODE_REPLACE_H

#include "node/judge.h"

/* May it be done now? False: `why`, which begins with JUDGE_WAITS where that is only a matter of time. */
bool replace_may(const struct node *node, char why[static JUDGE_WHY_MAX]);

/*
 * Before such a plan is carried out: nothing new comes to the node, and what is there is evicted where the settings consent,
 * until none is left. Where that fails node->replace_waits says why, and so does replace_may() from then on: the node is well
 * as it is. Any other plan, and one that somebody asked for: nothing is done.
 */
void replace_begin(struct node *node, const struct plan *plan);

/* The node is uncordoned, if it was for this; where that cannot be done now, the next run does it. */
void replace_end(struct node *node);

#endif
