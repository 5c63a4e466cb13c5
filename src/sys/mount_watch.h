/*
 * Changes of the mount table, as the kernel tells them: /proc/self/mountinfo is always readable, and
 * raises EPOLLPRI when it has changed. The descriptor is an epoll of its own around that, so that any
 * event loop can wait for it to be readable.
 */
#ifndef SYS_MOUNT_WATCH_H
#define SYS_MOUNT_WATCH_H

#include "base/error.h"

struct mount_watch {
	int fd; /* readable: the table has changed, then mount_watch_take() */
	int table;
};

#define MOUNT_WATCH_INIT ((struct mount_watch){ .fd = -EBADF, .table = -EBADF })

/* Of the mount namespace this process is in now. */
int mount_watch_open(struct mount_watch *ret, struct error *err);
void mount_watch_close(struct mount_watch *watch);

/* When it is readable: it changed. Looking whether it is has taken the event already. */
void mount_watch_take(const struct mount_watch *watch);

#endif
