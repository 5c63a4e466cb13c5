/*
 * The OCI bundle of a container: what a runtime was given to make it of.
 *
 * `create` names the bundle, and that is noted for `start`, which does not. Of a container that was
 * created without us it is in the runtime's own state, <root>/<id>/state.json, as a label: a hundred
 * kilobytes to be parsed for one path. The working directory is not it: an engine may run every runtime
 * of a pod in one place.
 */
#ifndef SANDBOX_BUNDLE_H
#define SANDBOX_BUNDLE_H

#include "base/error.h"
#include "base/strv.h"

#define ANNOTATION_DISK "berth.dev/disk"

struct bundle {
	char *path;
	char *rootfs;	   /* absolute */
	char *disk;	   /* the annotation berth.dev/disk, or NULL */
	bool own_mappings; /* it brings user namespace mappings of its own */
	char *pod;	   /* of a Kubernetes pod's container: the id of the pod's sandbox; else NULL */
	char *pod_name;	   /* "namespace/pod", and for all but the sandbox itself "/container" */
	struct strv binds; /* absolute sources of its bind mounts */
};

#define BUNDLE_INIT ((struct bundle){ 0 })
void bundle_release(struct bundle *bundle);

/*
 * Read <path>/config.json. It must be a regular file of at most 4 MiB, no symbolic link, valid JSON
 * with a root.path: what else is in it is the runtime's business.
 */
int bundle_read(const char *path, struct bundle *ret, struct error *err);

#define BUNDLE_NOTES "/run/berth/bundles"

/* The directory of the notes and its parent; what fails is told by whoever needs it. */
void bundle_notes_make(const char *notes);

/* Note the path of a container that is being created; `notes` is a directory that is made. */
int bundle_note(const char *notes, const char *root, const char *id, const char *path,
		struct error *err);
void bundle_forget(const char *notes, const char *id);

/* The path that was noted, of whichever runtime; NULL: none was. free() it. */
char *bundle_noted(const char *notes, const char *id);

/*
 * The path that was noted, else the one by the runtime's state. 1, or 0: the runtime knows no such
 * container (which is for it to say).
 */
int bundle_find(const char *notes, const char *root, const char *id, char **ret_path, struct error *err);

#endif
