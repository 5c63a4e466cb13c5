/* Do the address ranges Docker would get collide with networks this machine already reaches? */
#ifndef STEP_ADDRESSES_H
#define STEP_ADDRESSES_H

#include "step/step.h"

void check_addresses(struct step_context *ctx, struct report *report);

/* "172.24.0.1/16" -> address and mask in host order; false when it is not of that form. */
bool address_parse(const char *cidr, uint32_t *ret_address, uint32_t *ret_mask);

#endif
