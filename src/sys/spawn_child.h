/*
 * The birth of a child for spawn_run: descriptors, fork, and all that happens between fork and
 * exec, where only async-signal-safe calls are allowed (the program may have threads).
 */
#ifndef SYS_SPAWN_CHILD_H
#define SYS_SPAWN_CHILD_H

#include <sys/types.h>

#include "sys/spawn.h"

/* What the child writes into exec_fd when it does not get as far as exec. */
struct spawn_failure {
	int stage; /* enum spawn_stage */
	int code;  /* errno */
};

enum spawn_stage { SPAWN_STAGE_SETUP, SPAWN_STAGE_CWD, SPAWN_STAGE_EXEC };

struct spawn_child {
	pid_t pid;   /* also its process group */
	int pidfd;   /* readable when it has ended; -EBADF before Linux 5.3 */
	int exec_fd; /* closes at exec, or brings a struct spawn_failure */
	int out_fd, err_fd;
};

#define SPAWN_CHILD_INIT       \
	((struct spawn_child){ \
		.pidfd = -EBADF, .exec_fd = -EBADF, .out_fd = -EBADF, .err_fd = -EBADF })

/* Closes the descriptors; the process is for the caller to reap. */
void spawn_child_release(struct spawn_child *child);

/* All three pipes are non-blocking on our side. */
int spawn_child_start(const char *path, const char *const *argv,
		      const struct spawn_options *options, struct spawn_child *ret,
		      struct error *err);

#endif
