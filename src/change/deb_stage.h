/*
 * The files of a Debian package, unpacked by the host's tar into a directory of berth's cache, and
 * looked at there before any of them is put in place.
 *
 * Regular files alone are taken, below /usr, /etc, and what /lib has for systemd (which is
 * /usr/lib's on every system this is for); documents are left out. Anything else in the package
 * refuses all of it.
 */
#ifndef CHANGE_DEB_STAGE_H
#define CHANGE_DEB_STAGE_H

#include "base/digest.h"
#include "change/change.h"

struct staged_file {
	char *source; /* where it is unpacked: a path on the host */
	char *path;   /* where it belongs */
	mode_t mode;
	char sha256[DIGEST_HEX_MAX];
};

struct staged {
	struct staged_file *items;
	size_t len;
};

void staged_release(struct staged *staged);

/*
 * 1: it is a whole package, and tar and what it is packed with are programs of this host; 0: it is,
 * and one of them is missing (packages may bring it); -EBADMSG: it is none.
 */
int deb_can_stage(const struct host *host, const char *deb, struct error *err);

/*
 * Unpack it, unless that was done. -EBADMSG: a package with what is not taken, or not to be
 * unpacked; -ENOENT: a program is missing.
 */
int deb_stage(struct change_context *ctx, const char *deb, struct staged *ret, struct error *err);

/* Take away what was unpacked. */
int deb_unstage(const struct host *host, struct error *err);

#endif
