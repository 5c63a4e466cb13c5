/*
 * The stash: what sandboxes have in /var/lib/sysbox, kept while sysbox-mgr is away.
 *
 * sysbox-mgr removes everything below its data root when it starts and when it stops. So before either,
 * each volume that is not empty is renamed out of its reach, and back when its sandbox starts again:
 *
 *     sysbox/<kind>/<id>     here its sandbox uses it
 *     stash/<kind>/<id>      here it waits; what then is in sysbox/<kind>/<id>, the image brought
 *     restore/<kind>/<id>    it is being put back: each entry is either still here or there already
 *
 * A volume cannot be put back by renaming it: the sandbox's mounts have been made of the new, empty one.
 * So its entries are. All within one file system, by renames alone, without a copy: at each moment every
 * entry is in exactly one of two places, and either function finishes what the other, or itself, was cut
 * off in. Renaming a volume under a running sandbox is harmless, its mounts follow the directory.
 *
 * Fault points "stash:rename" and "restore:rename" before each rename.
 */
#ifndef SANDBOX_STASH_H
#define SANDBOX_STASH_H

#include "base/error.h"

struct stash_report {
	unsigned stashed; /* volumes renamed into the stash */
	unsigned gathered; /* of these, such whose restoring had been cut off */
	unsigned waiting; /* that were there already */
};

/* Out of sysbox-mgr's reach. A failure with one does not keep the others; the first is reported. */
int stash_all(int pool_fd, struct stash_report *ret, struct error *err);

/*
 * Back into the volumes that sysbox-mgr has made for a sandbox. `ret_restored` counts volumes. A volume
 * of a kind that the sandbox was not given this time stays in the stash.
 */
int stash_restore(int pool_fd, const char *id, unsigned *ret_restored, struct error *err);

/* Has it anything in the stash, or half-way out of it? 1 or 0. */
int stash_holds(int pool_fd, const char *id, struct error *err);

/* Called for each volume in the stash or half-way out of it. Negative ends the walk. */
typedef int (*stash_fn)(void *userdata, const char *kind, const char *id);
int stash_each(int pool_fd, stash_fn each, void *userdata, struct error *err);

/*
 * All of it back to sysbox/<kind>/<id>, for a host that shall have no stash any more. Sysbox must not
 * run. A volume that is there and not empty stays, and its stash too: -EEXIST.
 */
int stash_give_back(int pool_fd, struct error *err);

/* Remove a sandbox's volumes from the stash, for good. */
int stash_remove(int pool_fd, const char *id, struct error *err);

/* Remove what restoring has put aside: what images brought in a volume's place. */
int stash_empty_drop(int pool_fd, struct error *err);

#endif
