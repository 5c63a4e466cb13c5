/*
 * What drifted between sandboxes and their budgets, and what they left behind.
 *
 *  - a limit that is not what it should be (somebody set it, or a stop was never told): set again;
 *  - a place that a running sandbox writes to (layer, inner volumes, volumes without a name) and that is not in its
 *    project, by its top: tagged;
 *  - a sandbox that its engine has removed: its project and record are released once nothing counts in it;
 *  - one that still has something in the stash: kept for a set time from when that was first seen, shown
 *    meanwhile, then removed;
 *  - projects that nobody has, what restores put aside, limits of project 0.
 *
 * Where Docker's files cannot be read nobody is known to be gone, and nothing is removed.
 */
#ifndef SANDBOX_RECONCILE_H
#define SANDBOX_RECONCILE_H

#include "sandbox/settings.h"

struct reconcile_options {
	uint64_t keep_s; /* how long a stash without a sandbox is kept, seconds */
	bool dry_run;
	/* Each thing that was done (or would be). `what`: "limit", "tag", "release", "orphan", "remove". */
	void (*did)(void *userdata, const char *what, const char *id, const char *detail);
	/* Each thing that failed, of a sandbox or ("") of none: it keeps nothing else up. May be NULL. */
	void (*failed)(void *userdata, const char *id, const char *message);
	void *userdata;
};

/* The number of things done is in ret_done; the error is that of the first that failed. */
int reconcile(const struct settings *settings, int pool_fd, const struct reconcile_options *options,
	      unsigned *ret_done, struct error *err);

/*
 * The default of every project without limits of its own (those of project 0), read back: the net beneath, for projects
 * that an engine made and gave no limit. What is in no project (0) it does not bound.
 */
int reconcile_default(const struct settings *settings, int pool_fd, struct error *err);

/* After a boot: nothing runs, and each sandbox has its start reserve, whatever cut the last one off. */
int reconcile_reserves(const struct settings *settings, int pool_fd, struct error *err);


#endif
