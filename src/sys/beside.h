/*
 * A function at work beside the program: in a forked child, its result comes back through a pipe.
 *
 * The child is a copy of a single-threaded program and may do what the program may; what it changes in
 * memory is lost. It keeps the program's open descriptors, so also its locks, until it ends. It is not
 * ended with the program: what it runs is finished.
 */
#ifndef SYS_BESIDE_H
#define SYS_BESIDE_H

#include <sys/types.h>

#include "base/error.h"

struct beside {
	pid_t pid; /* 0: nothing is at work */
	int fd;
};

#define BESIDE_INIT ((struct beside){ .fd = -EBADF })

/* 0 or negative with a message; how long it may take is its own affair. */
typedef int (*beside_fn)(void *userdata, struct error *err);

int beside_start(beside_fn fn, void *userdata, struct beside *ret, struct error *err);

/*
 * Wait for its end, and take its result and message; 0 where nothing was at work. -EPROTO when the
 * child died.
 */
int beside_finish(struct beside *beside, struct error *err);

/* Wait, whatever comes of it. */
void beside_release(struct beside *beside);

#endif
