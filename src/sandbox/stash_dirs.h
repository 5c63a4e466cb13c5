/* What stash.c and restore.c share: kinds and volumes by their names. */
#ifndef SANDBOX_STASH_DIRS_H
#define SANDBOX_STASH_DIRS_H

#include "base/error.h"

/* Is that a kind of volume? rootfs and shiftfs are made of mounts, which sysbox-mgr takes apart. */
bool is_volume_kind(const char *name);

/* "<area>/<kind>/<id>" opened; -ENOENT without a message. */
int volume_open(int pool_fd, const char *area, const char *kind, const char *id);

/* Every entry of one directory into another, none of which may be there. */
int move_entries(int from_fd, int to_fd, const char *point, struct error *err);

/* renameat of <from>/<kind>/<id> to <to>/<kind>/<id>, whose folders are made. */
int move_volume(int pool_fd, const char *from, const char *to, const char *kind, const char *id,
		const char *point, struct error *err);

#endif
