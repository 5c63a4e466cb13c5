/*
 * apt-get as berth uses it: non-interactive, with deadlines, waiting for other package managers with
 * a message, never starting services, one transaction.
 *
 * With ctx->bundle_dir set, only that folder's packages are known to apt and nothing is fetched.
 */
#ifndef CHANGE_APT_H
#define CHANGE_APT_H

#include "change/change.h"

/*
 * Resolve and download (not unpack) what installing `items` (names, or absolute host paths of .deb
 * files) needs; refreshes the package lists first where they are absent, stale or damaged. Nothing on the host
 * changes but apt's own caches. Refused (-EPERM) when it would remove a package, or replace the
 * container engine under a kubelet, less one of `asked` (package_manager.h).
 */
int apt_fetch(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err);

/*
 * Install them: one dpkg run, configuration files kept as they are, services not started. Triggers stay
 * pending (triggers.h).
 */
int apt_install(struct change_context *ctx, const struct strv *items, struct error *err);

/*
 * After a transaction for `items` that was cut off, maybe by the power: dpkg's own notes were synced, the
 * files of its packages were not. What it had brought (`added`) is unpacked once more, and the rest.
 */
int apt_repair(struct change_context *ctx, const struct strv *items, const struct strv *added,
	       struct error *err);

/* Finish what a run left unconfigured, and run pending triggers (`dpkg --configure -a`). */
int apt_configure_pending(struct change_context *ctx, struct error *err);

/* Remove, then purge; Docker's data is not touched (its package would delete /var/lib/docker). */
int apt_purge(struct change_context *ctx, const struct strv *names, struct error *err);

/* Packages that would be removed besides `names` if they were purged. */
int apt_simulate_purge(struct change_context *ctx, const struct strv *names, struct strv *ret_others,
		       struct error *err);

/* Take away a policy file that a killed run left behind. Safe at any time. */
int apt_clean_up(const struct host *host, struct error *err);

#endif
