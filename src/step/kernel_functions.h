/* What sandboxes need of the kernel, each tried for real (a rooted host: as recorded, "try.NAME=yes"). */
#ifndef STEP_KERNEL_FUNCTIONS_H
#define STEP_KERNEL_FUNCTIONS_H

#include "step/step.h"

void check_kernel_functions(struct step_context *ctx, struct report *report);

#endif
