/*
 * Try something in a forked, single-threaded child that may enter namespaces and mount what it
 * likes, and report through a pipe. The child is gone, and its namespaces with it, when trial_run
 * returns.
 *
 * The function runs after fork(): in a program with threads it must keep to raw system calls and
 * formatting.
 */
#ifndef SYS_TRIAL_H
#define SYS_TRIAL_H

#include "base/error.h"

#define TRIAL_REASON_MAX 256

/* 1 works, 0 does not (with a reason), negative: could not be tried (with a reason). */
typedef int (*trial_fn)(void *userdata, char reason[static TRIAL_REASON_MAX]);

/* The function's own result and reason; -ETIMEDOUT after 30 s, -EPROTO when the child died. */
int trial_run(trial_fn fn, void *userdata, char ret_reason[static TRIAL_REASON_MAX]);

/* Write the reason and return `result`; with a `code` ": strerror(code)" behind it. */
int trial_says(int result, int code, char reason[static TRIAL_REASON_MAX], const char *fmt, ...)
	_printf_(4, 5);

/* For the child: a mount namespace of its own that shares nothing with the host's. 0 or -errno. */
int trial_own_mounts(void);

#endif
