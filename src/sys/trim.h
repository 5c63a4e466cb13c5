/* Telling what lies below a mounted file system which of its blocks are free: FITRIM (linux/fs.h).
 */
#ifndef SYS_TRIM_H
#define SYS_TRIM_H

#include "base/error.h"

/*
 * Discard all free space of the file system `dir_fd` lies on; takes seconds to minutes, under load
 * too. `ret_bytes` is what the file system discarded, also where that was a hole before.
 * -EOPNOTSUPP: the device below cannot discard, or the file system cannot ask it to.
 */
int trim_free_space(int dir_fd, uint64_t *ret_bytes, struct error *err);

#endif
