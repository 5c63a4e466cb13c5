/*
 * A stage of a run: what is reported as one line with its time. The changes of a step are one, and so are
 * its verification, the checks before all, what is fetched, and what is waited for at the end.
 */
#ifndef NODE_STAGE_H
#define NODE_STAGE_H

#include "node/node.h"

struct stage {
	const struct observer *observer;
	const char *name, *phase, *summary; /* name NULL: none is at work */
	uint64_t start;
};

/* The strings must outlive the stage. */
void stage_begin(struct stage *stage, const struct node *node, const char *phase, const char *name,
		 const char *summary);

/* Of none that is at work: nothing. */
void stage_end(struct stage *stage, bool ok);

#endif
