/*
 * What berth does before a runtime's verb runs, and after `delete`. Each can be cut off anywhere and called again.
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
 * namespace mappings: then its owners are right as they are; nor of a container that is there, or is being made: it may run.
 */
int verb_create(const struct settings *settings, const char *root, const char *id, const char *bundle,
		struct error *err);

/*
 * start: put back what was stashed, put everything the sandbox writes to into its project, set its limits
 * and read them back. `root` is the runtime's own state folder. 0 also for a container that the runtime
 * does not know: that is for it to say.
 */
int verb_start(const struct settings *settings, const char *root, const char *id, struct error *err);

/*
 * delete, after a runtime that has let go of the container: give the start reserve back, so that a full sandbox can be
 * started again. Cut off, it is finished by the next one for that container.
 */
int verb_delete(const struct settings *settings, const char *id, struct error *err);

#endif
