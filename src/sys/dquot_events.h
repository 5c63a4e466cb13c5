/*
 * Quota warnings of the kernel: generic netlink, family VFS_DQUOT, group "events" (attributes in
 * linux/quota.h). They are told within the write that was refused, once for each such write: the
 * receiver limits its own work. In the initial network namespace alone.
 */
#ifndef SYS_DQUOT_EVENTS_H
#define SYS_DQUOT_EVENTS_H

#include "base/error.h"

struct dquot_event {
	uint32_t project;
	bool inodes; /* the limit on their number, not the one on bytes */
	bool hard;   /* a write was refused; false: a soft limit was passed */
	unsigned device_major, device_minor;
};

/* O_NONBLOCK, readable when there are some. -ENOENT: this kernel has no such family. */
int dquot_events_open(int *ret_fd, struct error *err);

/*
 * The next ones about projects, up to `cap`; 0: no more for now. -ENOBUFS: some were lost. Warnings that
 * use has come back below a limit are left out.
 */
int dquot_events_read(int fd, struct dquot_event *ret, size_t cap);

/* One datagram as it came; for tests. */
int dquot_events_parse(const void *data, size_t len, struct dquot_event *ret, size_t cap);

#endif
