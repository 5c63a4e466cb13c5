/* The last proof: a real sandbox, started by the real Docker from an image made of berth's own probe. */
#ifndef STEP_SANDBOX_H
#define STEP_SANDBOX_H

#include "step/step.h"

int sandbox_verify(struct step_context *ctx, struct report *report, struct error *err);

/* What the verification's sandbox is called. */
#define SANDBOX_NAME "berth-verify"

/* The budget of the verification's sandbox, bytes. */
#define SANDBOX_BUDGET ((json_int_t)16 << 20)

/* Judge what the probe printed inside; `stand_in`: Sysbox's views are not to be expected. */
void sandbox_judge(const json_t *probe, bool stand_in, struct report *report);

#endif
