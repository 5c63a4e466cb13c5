/*
 * Everything on the pool that a sandbox writes to: the upper and work directories of its root file
 * system, what sysbox-mgr keeps for it (sysbox/<kind>/<id>: its inner Docker above all), and its
 * volumes without a name; and the files that its engine keeps for it and mounts into it. Named volumes
 * outlive it and may be shared: they are not in its budget.
 */
#ifndef SANDBOX_PLACES_H
#define SANDBOX_PLACES_H

#include "sandbox/bundle.h"
#include "sandbox/settings.h"
#include "sys/mountinfo.h"

enum place_kind {
	PLACE_LAYER,  /* upper directory, or the root file system itself */
	PLACE_WORK,   /* overlayfs' work directory */
	PLACE_INNER,  /* sysbox/<kind>/<id> */
	PLACE_VOLUME, /* a volume without a name, an emptyDir of a pod */
	PLACE_FILE,   /* a file of the engine's that is mounted into it: /etc/hosts and its like */
};

struct place {
	enum place_kind kind;
	char *path; /* below the pool's top */
};

struct places {
	struct place *items;
	size_t len;
	char *layer_dir; /* the engine's directory of the layer (overlay2/<layer>), where it keeps a project */
};

#define PLACES_INIT ((struct places){ 0 })
void places_release(struct places *places);

/* The upper and work directories of a root file system as the mount table has it; NULL where there is
 * none. Paths as a process in this mount namespace sees them. */
struct layer {
	char *upper, *work;
	char *dir; /* that holds them both, by the engine's own layout */
};
#define LAYER_INIT ((struct layer){ 0 })
void layer_release(struct layer *layer);
int layer_find(const struct mount_table *table, const char *rootfs, struct layer *ret,
	       struct error *err);

/*
 * A path of this mount namespace as a path below the pool's top. -EXDEV: it is on another file
 * system. free() it.
 */
int pool_path(const struct mount_table *table, const char *pool, const char *path, char **ret,
	      struct error *err);

/* What Sysbox keeps of it alone: of a container whose bundle is not known. */
int places_find_inner(int pool_fd, const char *id, struct places *ret, struct error *err);

/*
 * A root file system that is not on the pool is an error: it could not be bounded. Not of a pod, whose
 * engine may have its storage elsewhere: then it is kubelet's to bound, and what Sysbox keeps is ours.
 */
int places_find(const struct mount_table *table, int pool_fd, const struct settings *settings, const char *id,
		const struct bundle *bundle, struct places *ret, struct error *err);

#endif
