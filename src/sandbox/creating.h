/*
 * Which `create` of a container is the one that makes it.
 *
 * A second one for a container that is there is refused by the runtime, but only after us: what is done before it would
 * be done to a container that runs. And of two at the same time the second must not begin when the first is past us: the
 * runtime's own state tells of a container only when it is made. No lock may be held while a runtime runs, so the
 * process is noted, which becomes the runtime: for as long as it lives it is at work.
 */
#ifndef SANDBOX_CREATING_H
#define SANDBOX_CREATING_H

#include "base/error.h"

/*
 * 1: it is this process. 0: the runtime has such a container below `root`, or another process is making it. `notes` is a
 * directory that is there.
 */
int creating_begin(const char *notes, const char *root, const char *id, struct error *err);
void creating_forget(const char *notes, const char *id);

#endif
