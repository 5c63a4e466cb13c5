/*
 * A process by a descriptor (pidfd_open, Linux >= 5.3): it becomes readable when the process ends, and
 * never means another one.
 */
#ifndef SYS_PIDFD_H
#define SYS_PIDFD_H

#include <sys/types.h>

#include "base/error.h"

/* O_CLOEXEC. -errno without a message; -ESRCH: there is no such process (any more). */
int pidfd_open_process(pid_t pid);

/* -ESRCH: it has ended. */
int pidfd_kill(int fd, int signal_number);

/* A process's state as proc(5) has it: 'R', 'S', 'D', 'T' (stopped by a signal), 'Z'... */
int process_state(pid_t pid, char *ret);

/* Stopped by a signal: it neither works nor ends. False where there is none of that number. */
bool process_is_stopped(pid_t pid);

/* Its name as the kernel has it (15 characters at the most). */
int process_name(pid_t pid, char ret[static 16]);

#endif
