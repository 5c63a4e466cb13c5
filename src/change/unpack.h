/*
 * Planning a Debian package's files on a host whose package manager does not take them: unpacked
 * under berth's own manifest (manifest.h). What the package's scripts do besides is not done: of
 * Sysbox's the kernel's settings and daemon.json are other changes', and its subordinate ids are
 * made here.
 */
#ifndef CHANGE_UNPACK_H
#define CHANGE_UNPACK_H

#include "change/package_file.h"
#include "change/plan.h"

/* 1 when it was added, 0 when all of it is in place. */
int plan_unpack(struct plan *plan, struct change_context *ctx, const struct package_file *file,
		const char *why, struct error *err);

#endif
