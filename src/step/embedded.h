/* Programs that berth carries: their bytes are part of it. */
#ifndef STEP_EMBEDDED_H
#define STEP_EMBEDDED_H

#include <stddef.h>

const void *embedded_probe(size_t *ret_len); /* berth-probe: runs inside the verification's sandbox */
const void *embedded_runc(size_t *ret_len);  /* berth-runc */

#endif
