/*
 * What berth does before a runtime's verb runs. Each can be cut off anywhere and called again.
 *
 * A start is the one moment at which a budget can be made to hold: the sandbox's directories are there
 * and its first instruction has not run. If it cannot be made to hold there is no start; nothing else
 * that goes wrong here keeps a runtime from its work.
 */
#ifndef SANDBOX_VERBS_H
#define SANDBOX_VERBS_H

#include "sandbox/settings.h"

/*
 * create: note the bundle for the start, and heal an upper directory that nobody reverted. Never where the bundle brings its own user
 * namespace mappings: then its owners are right as they are.
 */
int verb_create(const struct settings *settings, const char *root, const char *id, const char *bundle,
		struct error *err);

/*
 * start: put back what was stashed, put everything the sandbox writes to into its project, set its limits
 * and read them back. `root` is the runtime's own state folder. 0 also for a container that the runtime
 * does not know: that is for it to say.
 */
int verb_start(const struct settings *settings, const char *root, const char *id, struct error *err);

/* delete: give the start reserve back, so that a full sandbox can be started again. */
int verb_delete(const struct settings *settings, const char *id, struct error *err);

#endif
