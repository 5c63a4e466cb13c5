/*
 * Subordinate ids of a name in /etc/subuid and /etc/subgid, the same range in both.
 *
 * Sysbox's package makes a user "sysbox" to have them. Nobody runs as that user: sysbox-mgr looks
 * for the lines by their name alone. Without them it writes the files itself, sorted, without their
 * comments and not atomically, and fails where the first free ranges of the two differ.
 */
#ifndef CHANGE_SUBID_H
#define CHANGE_SUBID_H

#include "host/host.h"

#define SUBID_COUNT 65536

/* Does one of the files have a line of that name? */
bool subid_has(const struct host *host, const char *name);

/* A line in each, of a range that nobody in either has. Those that are there stay. */
int subid_add(const struct host *host, const char *name, struct error *err);

/* The lines away. */
int subid_drop(const struct host *host, const char *name, struct error *err);

#endif
