/* Two ways to make files of one id range appear as another's: chown, and ID-mapped mounts. */
#ifndef STANDIN_IDS_H
#define STANDIN_IDS_H

#include "common.h"

#include <stdint.h>

/* Inside a sandbox ids count from 0; on the host they are base..base+size-1. */
struct id_range {
	uint32_t base;
	uint32_t size;
};

/* Chown everything below `path` up from 0.. to the range, or back down. Safe to repeat. */
int ids_shift_up(const char *path, struct id_range range, struct failure *f);
int ids_shift_down(const char *path, struct id_range range, struct failure *f);

/* A descriptor of a user namespace that maps 0.. to the range. */
int ids_namespace(struct id_range range, struct failure *f);

/* An unattached clone of the mount at `path`, ID-mapped by `userns`; a descriptor, or -errno. */
int ids_map_clone(const char *path, bool recursive, int userns);

/* The same, attached at `target`, which may be `path` itself. Fails with -errno where it cannot be.
 */
int ids_map_onto(const char *path, const char *target, bool recursive, int userns);

#endif
