/*
 * /proc/self/mountinfo, parsed (proc_pid_mountinfo(5)): octal escapes undone in root, target, type
 * and source, optional fields (propagation) left out.
 *
 * Option lists keep their escapes, because a comma inside a value is one of them ("\054"): take a
 * value out with mount_option_get, which undoes them.
 */
#ifndef SYS_MOUNTINFO_H
#define SYS_MOUNTINFO_H

#include <sys/types.h>

#include "base/error.h"

#define MOUNTINFO_CAP ((size_t)64 << 20) /* what a reader should accept: some 200,000 mounts */

struct mount_entry {
	int id, parent;
	unsigned major, minor;
	const char *root;	   /* of the mount within its file system */
	const char *target;	   /* mount point */
	const char *options;	   /* per mount */
	const char *type;	   /* "xfs", "overlay"... */
	const char *source;	   /* "/dev/loop0", "none"...; may be "" */
	const char *super_options; /* per file system */
	char *line;		   /* what the strings above point into */
};

struct mount_table {
	struct mount_entry *entries; /* in the kernel's order */
	size_t len;
	size_t cap;
};

#define MOUNT_TABLE_INIT ((struct mount_table){ 0 })
void mount_table_release(struct mount_table *table);

/*
 * Text of a mountinfo file. A line that does not parse is -EINVAL with its number. `ret` is
 * overwritten on success and untouched on failure.
 */
int mount_table_parse(const char *text, size_t len, struct mount_table *ret, struct error *err);

/* Our own: /proc/self/mountinfo read and parsed. */
int mount_table_read_self(struct mount_table *ret, struct error *err);

/*
 * The mount an absolute path lies on, or NULL: found as the kernel finds it, from the root down
 * through parent ids, so that a mount hidden beneath a later one is never the answer. Symlinks are
 * the caller's business.
 */
const struct mount_entry *mount_table_covering(const struct mount_table *table, const char *path);

/* What is mounted exactly at `target` (visible, the topmost), or NULL. */
const struct mount_entry *mount_table_at(const struct mount_table *table, const char *target);

/* Do both show the same file system? Neither may be NULL. */
bool mount_same_fs(const struct mount_entry *a, const struct mount_entry *b);

/* Is `option` one of a comma-separated list ("prjquota", "loop=/dev/loop0" by its whole text)? */
bool mount_option_has(const char *options, const char *option);

/*
 * The value of `key` ("upperdir") with its escapes undone; free() it. -ENOENT when it is not there,
 * "" when it has no value. The first counts; repeated ones (overlay's "lowerdir+") are for the
 * caller to walk.
 */
int mount_option_get(const char *options, const char *key, char **ret);

#endif
