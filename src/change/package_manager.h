/*
 * What berth asks of a host's package manager, one row a family.
 *
 * All run to the deadline ctx->packages_ms, wait for other package managers with a message
 * (package_lock.h), are never asked anything, and tell a failure in one line: -EPROTO with the
 * sentence of the package manager that tells most.
 */
#ifndef CHANGE_PACKAGE_MANAGER_H
#define CHANGE_PACKAGE_MANAGER_H

#include "change/change.h"

struct package_manager {
	/*
	 * Resolve and download what installing `items` needs; nothing on the host changes but the
	 * package manager's own caches. Refused (-EPERM) when it would remove a package, or replace
	 * the container engine under a kubelet, less one of `asked`: the names of what is to be
	 * installed, by its name or as a file.
	 */
	int (*fetch)(struct change_context *ctx, const struct strv *items, const struct strv *asked,
		     struct error *err);

	/*
	 * The version of `name` that would be installed now: "1.34.0-1.1"; NULL: no repository has it. free() it.
	 * -EAGAIN: what repositories have is not on this host yet, fetch() gets it.
	 */
	int (*candidate)(struct change_context *ctx, const char *name, char **ret, struct error *err);

	/* Install them, without the network; services are not started. */
	int (*install)(struct change_context *ctx, const struct strv *items, struct error *err);

	/* Optional: finish what a transaction left half configured, with what is pending. */
	int (*finish)(struct change_context *ctx, struct error *err);

	/*
	 * A transaction for `items` was cut off, `added` is what it had brought by then: what may
	 * not be on the disk, or not be noted, is made so.
	 */
	int (*repair)(struct change_context *ctx, const struct strv *items,
		      const struct strv *added, struct error *err);

	/* Does its database say of a package that its unpacking was cut off? */
	bool tells_cut_off;

	/* Remove just these, with what they leave on removal. */
	int (*remove)(struct change_context *ctx, const struct strv *names, struct error *err);

	/* Packages that would be removed besides `names` if they were removed. */
	int (*simulate_remove)(struct change_context *ctx, const struct strv *names,
			       struct strv *ret_others, struct error *err);
};

/* The host's; -EOPNOTSUPP on a system whose packages berth does not know. */
int package_manager_of(const struct change_context *ctx, const struct package_manager **ret,
		       struct error *err);

/* For the rows: the version that a line begins with; NULL: it begins with none. free() it. */
int package_take_version(const char *line, char **ret, struct error *err);

/* For the rows: what a resolved transaction would do besides installing. */
int package_refuse_removal(const char *name, struct error *err); /* -EPERM */
/* -EPERM for a container engine under a kubelet; `hold` is the command that keeps a package back.
 */
int package_judge_upgrade(struct change_context *ctx, const char *name, const char *hold,
			  struct error *err);

#endif
