/*
 * Planning packages: all steps' wishes become one transaction, so that triggers run once.
 */
#ifndef CHANGE_PACKAGES_H
#define CHANGE_PACKAGES_H

#include "change/plan.h"
#include "host/packages.h"

/* Distribution packages by name. Installed ones are left out; 1 when something is to be installed. */
int plan_packages(struct plan *plan, struct change_context *ctx, const struct package_db *db,
		  const char *const *names, const char *why, struct error *err);

/*
 * A package file: `url` + `sha256` (downloaded to the cache), or `file` (a path on the host; sha256
 * may be ""). `package` and `version` are what it installs.
 */
int plan_package_file(struct plan *plan, struct change_context *ctx, const char *package,
		      const char *version, const char *url, const char *file, const char *sha256,
		      const char *why, struct error *err);

/*
 * What a transaction that was cut off left unpacked. Where a dependency was not unpacked yet dpkg cannot
 * finish it: apt can, which gets the rest or takes all of it away, and says so when it cannot.
 */
int packages_finish(struct change_context *ctx, struct error *err);

/*
 * After a transaction that was cut off (`before`: what its record noted): the bytes of daemon.json
 * again, when only the layout that Sysbox's script was shown meanwhile differs from them.
 */
int packages_clean_up(struct change_context *ctx, const json_t *before, struct error *err);

#endif
