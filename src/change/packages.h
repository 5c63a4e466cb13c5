/*
 * Planning packages: all steps' wishes become one transaction, so that triggers run once.
 */
#ifndef CHANGE_PACKAGES_H
#define CHANGE_PACKAGES_H

#include "change/package_file.h"
#include "change/plan.h"
#include "host/packages.h"

/* Distribution packages by name. Installed ones are left out; 1 when something is to be installed. */
int plan_packages(struct plan *plan, struct change_context *ctx, const struct package_db *db,
		  const char *const *names, const char *why, struct error *err);

/* One of them, of a version that begins so ("1.34": 1.34.0-1.1). Preparing fails where the repositories have another. */
int plan_package_of(struct plan *plan, struct change_context *ctx, const struct package_db *db, const char *name,
		    const char *version, struct error *err);

/*
 * The version of a package that would be installed now; NULL: no repository has it. free() it. -EAGAIN: what repositories
 * have is not known yet, and will be in preparing the plan.
 */
int packages_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err);

/* A package file, which the package manager installs with what it depends on. */
int plan_package_file(struct plan *plan, struct change_context *ctx, const struct package_file *file,
		      const char *why, struct error *err);

/*
 * What a transaction that was cut off left unpacked. Where a dependency was not unpacked yet dpkg cannot
 * finish it: apt can, which gets the rest or takes all of it away, and says so when it cannot.
 */
int packages_finish(struct change_context *ctx, struct error *err);

/*
 * Where the package manager has no note of its own of a transaction that was cut off, on its way in or out
 * again (`want` and `before` of its record): bring it to where what is installed is there.
 */
int packages_repair(struct change_context *ctx, const json_t *want, const json_t *before,
		    struct error *err);

/*
 * After a transaction that was cut off (`before`: what its record noted): the bytes of daemon.json
 * again, when only the layout that Sysbox's script was shown meanwhile differs from them.
 */
int packages_clean_up(struct change_context *ctx, const json_t *before, struct error *err);

#endif
