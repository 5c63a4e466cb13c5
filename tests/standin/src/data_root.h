/* The data root: /var/lib/sysbox unless told otherwise. */
#ifndef STANDIN_DATA_ROOT_H
#define STANDIN_DATA_ROOT_H

#include "ids.h"

/* What is kept of a sandbox outside its root file system: <data root>/<kind>/<id>. */
struct volume_kind {
	const char *name;
	const char *target;
	mode_t mode;
};

extern const struct volume_kind volume_kinds[];
extern const size_t volume_kind_count;

/* Detach every mount below it and remove everything in it, and the folder itself where that can be.
 */
void data_root_wipe(const char *root);

/* Wipe it and make it anew, with an empty folder a kind; refuse a file system that will not do. */
int data_root_prepare(const char *root, struct failure *f);

/* Whether an overlay can have ID-mapped layers on it: 1, or 0 with the reason said. */
int data_root_can_idmap(const char *root, struct id_range range);

int remove_tree(const char *path, struct failure *f);

#endif
