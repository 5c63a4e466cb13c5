/*
 * Be in the host's namespaces: what `nsenter -t 1 -m -u -n -i` does, for a program that was started
 * in a privileged pod with hostPID.
 */
#ifndef SYS_NAMESPACE_H
#define SYS_NAMESPACE_H

#include "base/error.h"

/* Is PID 1's mount namespace another one than ours (and visible at all)? 1, 0, or -errno. */
int namespace_differs_from_init(void);

/*
 * Join the mount, UTS, network, IPC and cgroup namespaces of PID 1; the working directory becomes the
 * host's /. Call it before anything else, single-threaded. Nothing to do when we are there already.
 * -EPERM names the capability that is missing; when PID 1 is not an init but the pod's own process
 * (no hostPID) it is refused (-EINVAL) with that reason.
 */
int namespace_enter_host(struct error *err);

/* Does this name, as /proc/1/comm has it, belong to an init system? */
bool namespace_is_init(const char *comm);

/*
 * A new user namespace, kept alive by the descriptor: ids 0 to `count`-1 inside are `first`...
 * outside.
 */
int namespace_make_user(uint32_t first, uint32_t count, int *ret_fd, struct error *err);

/*
 * Functional test in a forked child, leaving no trace: a user namespace with mapped ids in which
 * root can make the other namespaces a sandbox needs. 1 works, 0 does not (ret_reason says why, one
 * line), negative: could not be tried.
 */
int namespace_try_userns(char ret_reason[static 256]);

#endif
