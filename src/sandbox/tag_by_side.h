/* tag_tree() with a directory of the pool beside it, made for the time it takes. */
#ifndef SANDBOX_TAG_BY_SIDE_H
#define SANDBOX_TAG_BY_SIDE_H

#include "base/error.h"

/* `dir_fd` was opened through the pool's own mount. */
int tag_by_side(int pool_fd, const char *id, int dir_fd, uint32_t project, struct error *err);

#endif
