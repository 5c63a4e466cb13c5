/*
 * A node and what drives it: spec -> plan -> apply -> verify, and back.
 *
 * `struct node` binds a host, its spec, the facts and the journal together for one run of the program.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "node/journal.h"
#include "step/step.h"

/* What a run tells the one who watches. All optional; called in order, from the run's own thread. */
struct observer {
	/* Phases: "check", "fetch", "apply", "verify", "finish"; the name is a step's, or the phase's own. */
	void (*stage_begin)(void *userdata, const char *phase, const char *name);
	void (*stage_end)(void *userdata, const char *phase, const char *name, const char *summary,
			  bool ok, uint64_t ms);
	void (*change_begin)(void *userdata, const struct change *change);
	void (*change_end)(void *userdata, const struct change *change, bool ok, uint64_t ms);
	/* Of a change that an agent must not make: judge.h. */
	void (*left)(void *userdata, const struct change *change, const char *why);
	void (*undone)(void *userdata, const struct journal_entry *entry, enum undo_outcome outcome,
		       const char *why);
	void (*evicted)(void *userdata, const char *pod);
	void *userdata;
};

struct node {
	struct host host;
	struct spec spec;
	struct step_context ctx;
	struct journal journal;
	struct progress progress;
	struct observer observer;
	char *self;
	char *kept_spec; /* the text of settings that are not the host's own, or NULL */
	bool unasked; /* an agent's run: it makes only what judge.h allows */
	bool proves;	 /* also where nothing is to be done */
	bool interrupts; /* and may interrupt Docker where sandboxes go on meanwhile */
	char replace_waits[128]; /* why another Sysbox is not put here in this run (replace.h); "" */
	int lock_fd;
};

struct node_options {
	const char *root;	/* a folder instead of the machine, or NULL */
	const char *config;	/* settings, a file of the caller's; NULL: the host's own (spec_source.h) */
};

void node_close(struct node *node);

/* Host, settings, facts, journal. `node` must stay where it is until node_close. */
int node_open(const struct node_options *options, struct node *node, struct error *err);

/*
 * What a run that was cut off left lying about, and no change of its own would take away: files half
 * written, a policy against service starts, daemon.json in a borrowed layout, units not read again.
 */
int node_clean_up(struct node *node, struct error *err);

/* Every step's checks (`only`: of that step alone, NULL: all). */
int node_check(struct node *node, struct report *report, struct error *err);

/* What would change. */
int node_plan(struct node *node, const char *only, struct plan *ret, struct error *err);

/*
 * Make it so: checks, plan, preparation of all, then each change journaled, verification, settling.
 * `report` gets the checks (when they refuse: -ECANCELED) or the verification (when it fails: -EPROTO).
 * 1: done, 0: there was nothing to do.
 */
int node_install(struct node *node, const char *only, const char *command, struct report *report,
		 struct error *err);

/*
 * Start a unit again that an installation has started: at once, without a plan. -ENOENT: none has; -EPERM: an
 * agent must not; -EAGAIN: the pool is not where the unit would look for it, which only a plan puts right.
 */
int node_start_unit(struct node *node, const char *unit, struct error *err);

/*
 * Pods whose Sysbox was restarted under them are told to end, as disruption budgets allow: how many, less those that are on
 * their way. -EBUSY: one may not go now; -EPERM: the settings do not say so, or one has no controller.
 */
int node_evict_stranded(struct node *node, struct error *err);

/* Prove every step. */
int node_verify(struct node *node, const char *only, struct report *report, struct error *err);

struct undo_summary {
	unsigned undone, nothing, left;
	bool forgotten; /* what is left was left before, too: its records are gone now */
};

/*
 * Put everything back, newest change first. Tenants' data goes back to where it was looked for; refused
 * with the figures when it does not fit, lost only with `delete_data`.
 */
int node_uninstall(struct node *node, bool delete_data, struct undo_summary *ret, struct error *err);

/* With no change in the journal: take away what a run that ended before its first one left of ours. */
int node_forget(struct node *node, struct error *err);

#endif
