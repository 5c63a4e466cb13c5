/*
 * What an agent may change on a node by itself, when nobody asked.
 *
 * On a node that was never proven it is an installation: all of it, as the settings say. On one that was,
 * there are sandboxes, and a repair must cost none of them anything: settings, files, units and services
 * are put right; nothing is formatted, moved or removed; Docker is restarted where live-restore keeps what
 * runs; Sysbox is started where what it would remove is stashed. The table is in judge.c, and for people
 * in docs/agent.md.
 */
#ifndef NODE_JUDGE_H
#define NODE_JUDGE_H

#include "node/node.h"

#define JUDGE_WHY_MAX 160

/* Why a change is left that may be made once a slot of the pool is held (node.interrupts). */
#define JUDGE_INTERRUPTS "it interrupts what runs on the node: a slot of the pool is needed first"

/* Why a change is left that is done later, without anybody's help: until when is behind it. It is nothing that drifted. */
#define JUDGE_WAITS "it waits "
#define JUDGE_SLOT  "for a slot of the pool"

/* Why another release is not put in the place of an installed one. */
#define JUDGE_REPLACED "another version is installed, and under sandboxes it is only replaced when somebody asks: berth install"

/* Why a change is left that somebody does not want: the unit's name is behind it. */
#define JUDGE_MASKED "somebody has masked "

/* True: it may. False: `why` says why not, in words that fit behind "left: ". */
bool judge_change(const struct node *node, const struct plan *plan, const struct change *change,
		  char why[static JUDGE_WHY_MAX]);

/*
 * Take out of the plan what may not be; the observer's `left` is told of each. How many; `ret_masked`: how many of
 * these for a masked unit.
 */
unsigned judge_plan(const struct node *node, struct plan *plan, unsigned *ret_masked);

#endif
