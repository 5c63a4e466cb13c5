/*
 * Triggers: what packages have to do once for all of a transaction, such as a new initramfs. That takes
 * as long as all the rest of an installation, and nothing of a sandbox host waits for it: so it runs
 * beside the changes that follow, and is waited for at the end.
 *
 * That triggers are pending is in dpkg's own database: a run that is cut off loses nothing.
 */
#ifndef CHANGE_TRIGGERS_H
#define CHANGE_TRIGGERS_H

#include "change/change.h"

/* Begin to run what is pending. Where that cannot be done, triggers_finish does all of it. */
void triggers_start(struct change_context *ctx);

/*
 * Wait for what was begun, then run (or configure) what is pending still, in the end of a run cut off
 * before as well. Nothing to do on a host without dpkg.
 */
int triggers_finish(struct change_context *ctx, struct error *err);

/* Wait for what was begun, whatever comes of it. */
void triggers_wait(struct change_context *ctx);

#endif
