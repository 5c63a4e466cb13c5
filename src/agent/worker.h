/*
 * The agent's hand: `berth converge --json` (or `plan`) as a child, so that a repair neither stops the loop nor grows
 * the agent. It is this same program (through /proc/self/exe, whatever became of its file). One at a time.
 */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include "base/error.h"
#include "base/strbuf.h"

struct event_base;
struct event;

struct worker_result {
	int exit_code;	   /* of berth(8); -1: it was killed */
	unsigned changed;  /* changes made */
	unsigned left;	   /* changes that an agent must not make */
	unsigned masked;   /* of these for a masked unit */
	char masked_unit[128]; /* the first of them; "" */
	bool interrupts;   /* some of these, or what waits, only without a slot of the pool */
	char until[160];   /* what changes wait for, not among these, that are only made later; "": there are none */
	char message[512]; /* the error, or why something was left; "" */
	uint64_t ms;
};

typedef void (*worker_done_fn)(void *userdata, const struct worker_result *result);
/* A change was made or left: for the audit log. */
typedef void (*worker_change_fn)(void *userdata, const char *kind, const char *target, bool ok,
				 const char *left);

struct worker {
	struct event_base *base;
	worker_done_fn done;
	worker_change_fn change;
	void *userdata;
	struct worker_child *child; /* NULL: none is at work */
};

static inline bool worker_is_busy(const struct worker *worker)
{
	return worker->child != NULL;
}

enum worker_task {
	TASK_CONVERGE,	     /* and prove it by a sandbox */
	TASK_CONVERGE_QUICK, /* and prove it without */
	TASK_START,	     /* start `unit` again, and nothing else */
	TASK_EVICT,	     /* evict the pods whose Sysbox was restarted under them, and nothing else */
	TASK_PLAN,	     /* only say what is to be done: exit code 2 where there is something */
};

struct worker_order {
	enum worker_task task;
	const char *unit;   /* of TASK_START */
	const char *config; /* settings, or NULL */
	bool repair;	    /* an installation is in force: where it is not any more, nothing is done */
	bool interrupts;    /* Docker may be restarted where sandboxes go on meanwhile */
};

int worker_start(struct worker *worker, const struct worker_order *order, struct error *err);

/* It goes on without the agent: what it is at is finished. */
void worker_release(struct worker *worker);

#endif
