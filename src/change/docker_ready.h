/* Waiting for a dockerd that is on its way up, and no longer than it is. */
#ifndef CHANGE_DOCKER_READY_H
#define CHANGE_DOCKER_READY_H

#include "change/change.h"

/*
 * Until it answers: 0. -ETIMEDOUT after ctx->services_ms; -ENOTCONN as soon as its unit is neither active nor on its way,
 * for nobody will answer then.
 */
int docker_ready_wait(struct change_context *ctx, struct error *err);

#endif
