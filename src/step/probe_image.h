/* berth-probe's bytes, linked into berth. */
#ifndef STEP_PROBE_IMAGE_H
#define STEP_PROBE_IMAGE_H

#include <stddef.h>

const void *probe_image(size_t *ret_len);

#endif
