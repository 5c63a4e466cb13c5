/*
 * The flags on the command line of dockerd, or of containerd: a setting there and in daemon.json as well keeps dockerd
 * from starting, and some platforms (GKE) pass many.
 */
#ifndef STEP_DAEMON_FLAGS_H
#define STEP_DAEMON_FLAGS_H

#include "base/error.h"
#include "base/strv.h"

struct daemon_flags {
	struct strv names;  /* as a file of settings calls them: "log-opts" for --log-opt */
	struct strv values; /* "true" for a flag without one */
};

void daemon_flags_release(struct daemon_flags *flags);

/* From systemctl's ExecStart ("{ path=... ; argv[]=/usr/bin/dockerd -H fd:// ; ... }") or a plain line. */
int daemon_flags_parse(const char *exec_start, struct daemon_flags *ret, struct error *err);

/* The value of a member of that file given as a flag, or NULL. */
const char *daemon_flags_find(const struct daemon_flags *flags, const char *member);

#endif
