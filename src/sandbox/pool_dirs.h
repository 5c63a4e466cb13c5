/*
 * Where things are on the pool.
 *
 *     docker/  sysbox/            bound to /var/lib/docker and /var/lib/sysbox
 *     stash/<kind>/<id>           a sandbox's inner volume while sysbox-mgr is away
 *     restore/<kind>/<id>         one that is being put back, entry by entry
 *     drop/                       what an image had put into a volume that is restored: to be removed
 *     sandboxes/<id>              a symbolic link whose target is a sandbox's record
 *     projects/<project>          a symbolic link to the sandbox a project belongs to
 *     pods/<id>                   a symbolic link that names the pod of a container (pods.h)
 *     orphans/<id>                since when a sandbox with something in the stash is gone
 *     side/<id>                   where files are made anew in a project, for as long as it takes
 *
 * Renames go from one to the other, so all are reached through the pool's own mount: between two bind
 * mounts of one file system they fail (EXDEV).
 */
#ifndef SANDBOX_POOL_DIRS_H
#define SANDBOX_POOL_DIRS_H

#include "base/error.h"
#include "base/strv.h"

#define POOL_SYSBOX    "sysbox"
#define POOL_STASH     "stash"
#define POOL_RESTORE   "restore"
#define POOL_DROP      "drop"
#define POOL_SANDBOXES "sandboxes"
#define POOL_PROJECTS  "projects"
#define POOL_SIDE      "side"
#define POOL_ORPHANS   "orphans"
#define POOL_PODS      "pods"

/* An id that runtimes take and that may be a file's name: letters, digits and "_+-.", no dot in front, shorter than 200. */
bool sandbox_id_valid(const char *id);

/*
 * Open the pool's top directory. -ENODEV: nothing is mounted there; nothing is to be made or looked
 * for on the disk beneath.
 */
int pool_open(const char *pool, int *ret_fd, struct error *err);

/* A directory of the pool by its path below the top, opened for reading. -ENOENT without message. */
int pool_dir_open(int pool_fd, const char *path);

/* The same, made where it is not there (0700, its parent must be). */
int pool_dir_make(int pool_fd, const char *path, struct error *err);

/* The names in one, added and sorted (dir_names); of one that is not there none. */
int pool_dir_names(int pool_fd, const char *path, struct strv *ret, struct error *err);

/* A regular file of the pool, opened for reading; -EINVAL: it is none. -ENOENT without message. */
int pool_file_open(int pool_fd, const char *path);

#endif
