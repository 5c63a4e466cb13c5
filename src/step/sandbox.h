/* The last proof: a real sandbox, started by the real Docker from an image made of berth's own probe. */
#ifndef STEP_SANDBOX_H
#define STEP_SANDBOX_H

#include "engine/docker.h"
#include "step/step.h"

int sandbox_verify(struct step_context *ctx, struct report *report, struct error *err);

/*
 * What a verification that was cut off has left behind: its sandbox, and its image. After a power cut both
 * may be there although it ended well: that they were removed is on the disk up to 30 s later.
 */
int sandbox_take_away(const struct docker *docker, struct error *err);

/* What the verification's sandbox is called. */
#define SANDBOX_NAME "berth-verify"

/* The budget of the verification's sandbox, bytes. */
#define SANDBOX_BUDGET ((json_int_t)16 << 20)

/* Judge what the probe printed inside; `stand_in`: Sysbox's views are not to be expected. */
void sandbox_judge(const json_t *probe, bool stand_in, struct report *report);

#endif
