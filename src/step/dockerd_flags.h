/*
 * The flags on dockerd's command line: a setting there and in daemon.json as well keeps dockerd from
 * starting, and some platforms (GKE) pass many.
 */
#ifndef STEP_DOCKERD_FLAGS_H
#define STEP_DOCKERD_FLAGS_H

#include "base/error.h"
#include "base/strv.h"

struct dockerd_flags {
	struct strv names;  /* as daemon.json calls them: "log-opts" for --log-opt */
	struct strv values; /* "true" for a flag without one */
};

void dockerd_flags_release(struct dockerd_flags *flags);

/* From systemctl's ExecStart ("{ path=... ; argv[]=/usr/bin/dockerd -H fd:// ; ... }") or a plain line. */
int dockerd_flags_parse(const char *exec_start, struct dockerd_flags *ret, struct error *err);

/* The value of a daemon.json member given as a flag, or NULL. */
const char *dockerd_flags_find(const struct dockerd_flags *flags, const char *member);

#endif
