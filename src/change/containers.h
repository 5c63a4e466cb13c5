/*
 * Running containers across a stop of dockerd that berth makes: which they were is noted in
 * /var/lib/berth/containers.json before the stop, and they are started again after the next start.
 * Containers with a restart policy come back by themselves; starting them twice is harmless.
 */
#ifndef CHANGE_CONTAINERS_H
#define CHANGE_CONTAINERS_H

#include "change/change.h"

/* Note what runs now (nothing to note, or no dockerd answering: fine). Adds to what is noted already. */
int containers_note(struct change_context *ctx, struct error *err);

/* Stop what is noted, all at once, each by its own signal and in its own time. */
int containers_stop(struct change_context *ctx, struct error *err);

/*
 * Wait for dockerd, start what was noted, forget it. A container that does not start is an error; not
 * so one whose runtime this dockerd does not have any more: a sandbox, after an uninstall.
 */
int containers_resume(struct change_context *ctx, struct error *err);

#endif
