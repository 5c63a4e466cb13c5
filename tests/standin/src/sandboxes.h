/*
 * What sysbox-mgr knows of the sandboxes: only in memory, which is why a sandbox that outlives it
 * is not put back in order by the next one.
 */
#ifndef STANDIN_SANDBOXES_H
#define STANDIN_SANDBOXES_H

#include "ids.h"

#include <jansson.h>

struct sandbox {
	struct sandbox *next;
	char *id;
	bool stopped;
	char *rootfs;
	/* Gone when the engine has removed the container. */
	char *watch;
	/* The overlay's upper directory, or the root file system itself; owned by root when
	 * stopped. */
	char *tree;
	bool on_overlay;
	bool shifted;
	bool was_shifted;
	struct id_range range;
	/* Which of volume_kinds it has, as bits. */
	unsigned int kinds;
};

struct sandboxes {
	struct sandbox *first;
	const char *data_root;
	/* Copy what is in the volumes into the image when a sandbox stops. */
	bool preload;
	bool can_idmap;
	struct id_range range;
};

/*
 * A container is being created (again): make its volumes, shift its tree's owners.
 * ret_idmapped: whether lower layers and volumes are to be ID-mapped. The result stays theirs.
 */
int sandboxes_register(struct sandboxes *all, const json_t *request, struct sandbox **ret,
		       bool *ret_idmapped, struct failure *f);

/* It has stopped: give the tree back to root, copy the volumes into it if so configured. */
int sandboxes_unregister(struct sandboxes *all, const char *id, struct failure *f);

/* Forget the stopped ones whose root file system is gone, and remove their volumes. */
void sandboxes_collect(struct sandboxes *all);

bool sandboxes_any_stopped(const struct sandboxes *all);

/* sysbox-mgr ends: copy the volumes out if so configured. */
void sandboxes_copy_out(const struct sandboxes *all);

#endif
