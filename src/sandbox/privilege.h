/*
 * What the kernel takes off a file that changes its owner: setuid and setgid, and its capabilities (security.capability).
 *
 * Before the change it is put into an attribute of the file itself, trusted.berth.privilege, which no sandbox can read or
 * write, and after it put back, and the attribute taken away. So a cut at any point loses nothing: the next look at the
 * file finds the attribute, whatever its owner is by then.
 */
#ifndef SANDBOX_PRIVILEGE_H
#define SANDBOX_PRIVILEGE_H

#include "base/error.h"

#define PRIVILEGE_CAPS_MAX 24

struct privilege {
	uint32_t mode;
	bool marked; /* the attribute is there */
	size_t caps_len;
	unsigned char caps[PRIVILEGE_CAPS_MAX]; /* as they shall be, little-endian (linux/capability.h) */
};

/* Of a regular file, as a cut has left it: 1, or 0: no attribute is there. -errno. */
int privilege_find_mark(const char *path, struct privilege *ret);

/* What it has now; 1, or 0: nothing that could be lost. */
int privilege_read(const char *path, uint32_t mode, struct privilege *ret);

/* A file system that is full, or has no such attributes, leaves it unmarked: 0 all the same. */
int privilege_mark(const char *path, struct privilege *privilege);

/* Put back, and forget. */
int privilege_restore(const char *path, const struct privilege *privilege);

#endif
