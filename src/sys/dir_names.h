/* What is in a directory, by name alone. "." and ".." are never told. */
#ifndef SYS_DIR_NAMES_H
#define SYS_DIR_NAMES_H

#include "base/strv.h"

/* Add the names to `ret`, which is sorted by bytes afterwards. `dir_fd` may be O_PATH; it stays as it is. */
int dir_names(int dir_fd, struct strv *ret);

/* 1: it has no entry, 0: it has; -errno. */
int dir_is_empty(int dir_fd);

#endif
