/* As a service: was another berth put in our file's place? It is to do our work, and systemd starts it when we leave. */
#ifndef AGENT_REPLACED_H
#define AGENT_REPLACED_H

#include <sys/stat.h>

#include "host/host.h"

/* The file that was compared last: it is only read again when it is another one. */
struct replaced {
	struct stat file;
	bool other;
};

/* Does the kernel call our program deleted, of its place on the host? */
bool replaced_is_deleted(void);

/*
 * Is there a program at berth's place that is another one than `self` (a path of this process)? A file that is gone, or
 * is no program, is none: that is for a repair.
 */
bool replaced_by_other(const struct host *host, const char *self, struct replaced *cache);

#endif
