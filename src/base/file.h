/*
 * Whole files, read with a cap and written atomically, relative to a directory descriptor.
 *
 * `name` is one path component: callers resolve the directory first (host_open_parent), so that no
 * symlink on the way can lead elsewhere. The temporary file of a write is ".<name>.berth-tmp" beside
 * its target: there is one writer at a time (the host lock), a leftover of a crash is replaced by
 * the next write and removed by file_remove_at.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"

#define FILE_CAP_DEFAULT ((size_t)4 << 20)

/*
 * Read all of a regular file (or of a /proc file). -EFBIG past `cap` bytes, -ENOENT and other errno
 * as open gives them; ret_data is NUL-terminated (not counted), free() it.
 */
int file_read_fd(int fd, size_t cap, char **ret_data, size_t *ret_len);
int file_read_at(int dirfd, const char *name, size_t cap, char **ret_data, size_t *ret_len);

/* All of the bytes, restarting on EINTR and short writes. 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len);

/* Do two files hold the same from their offsets on? 1, 0 or -errno. Stops at the first difference. */
int file_same_content(int a, int b);

struct file_attrs {
	mode_t mode; /* permission bits */
	uid_t uid;
	gid_t gid;
};

/*
 * Replace or make `name`: temporary file, fsync, rename, fsync of the directory. Fault points
 * "file:temp", "file:rename", "file:done" around the steps.
 */
int file_write_atomic_at(int dirfd, const char *name, const void *data, size_t len,
			 const struct file_attrs *attrs, struct error *err);

/* Remove `name` (absent is fine) and a leftover temporary of it, and sync the directory. */
int file_remove_at(int dirfd, const char *name, struct error *err);

/* Remove what a write of `name` that was cut off has left beside it. */
void file_drop_temp_at(int dirfd, const char *name);

#endif
