/*
 * The node as an object: its file tree and its programs.
 *
 * A host is the running machine, or a folder that stands for one (`--root DIR`): then every path is
 * resolved inside the folder (openat2 RESOLVE_IN_ROOT: neither ".." nor a symlink leads out),
 * programs are those found inside it, run with HOST_ROOT=DIR in their environment, and what only a
 * running kernel could answer comes from the folder's file `recorded` (host_fact). That is how plans
 * for systems we are not on are tested, and how a test can stop berth at every write.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/strv.h"
#include "sys/spawn.h"

struct host {
	int root_fd;
	char *root;  /* absolute path of the folder, NULL: the machine itself */
	char *facts; /* text of `recorded`, NULL for the machine itself */
};

#define HOST_INIT ((struct host){ .root_fd = -EBADF })

int host_open_root(const char *root, struct host *ret, struct error *err);
void host_release(struct host *host);

static inline bool host_is_rooted(const struct host *host)
{
	return host->root != NULL;
}

/* A recorded fact of a rooted host ("key=value" lines); NULL when it has none or is the machine. */
char *host_fact(const struct host *host, const char *key);

/* Absolute host paths. The descriptor is O_CLOEXEC. -errno without a message: callers know what for. */
int host_open(const struct host *host, const char *path, int flags, mode_t mode);
int host_stat(const struct host *host, const char *path, struct stat *ret, bool follow);
bool host_exists(const struct host *host, const char *path);

/* The directory a path lies in, opened, and its last component (a pointer into `path`). */
int host_open_parent(const struct host *host, const char *path, const char **ret_name);

/* As file_read_at; -ENOENT and the like without message. */
int host_read(const struct host *host, const char *path, size_t cap, char **ret_data,
	      size_t *ret_len);
int host_write(const struct host *host, const char *path, const void *data, size_t len,
	       const struct file_attrs *attrs, struct error *err);
int host_remove(const struct host *host, const char *path, struct error *err);
void host_drop_temp(const struct host *host, const char *path); /* file_drop_temp_at */

/* Make the directory and its parents (0755, or `mode` for the last); names those made, outermost first. */
int host_mkdirs(const struct host *host, const char *path, mode_t mode, struct strv *ret_made,
		struct error *err);
int host_rmdir(const struct host *host, const char *path); /* -ENOTEMPTY and so on */
int host_rename(const struct host *host, const char *from, const char *to, struct error *err);
int host_symlink(const struct host *host, const char *target, const char *path, struct error *err);
int host_readlink(const struct host *host, const char *path, char **ret);

/* The same path as another program sees it: DIR/path for a rooted host. free() it. */
char *host_real_path(const struct host *host, const char *path);

/* Absolute host path of a program (searched in /usr/local/sbin ... /bin); NULL when not there. */
char *host_find_program(const struct host *host, const char *name);

/* Run a program of the host by name; -ENOENT when it has none. Options as spawn_run's, env is extra. */
int host_run(const struct host *host, const char *const *argv, const struct spawn_options *options,
	     struct spawn_result *ret, struct error *err);
/* ... and exit status 0 is required. */
int host_check(const struct host *host, const char *const *argv,
	       const struct spawn_options *options, struct spawn_result *ret, struct error *err);
/*
 * What `program --version` prints; nothing, where it cannot be run or fails. -ETIMEDOUT: it does not say within a minute,
 * which on a busy node is no reason to think that it has none. strbuf_release() it.
 */
int host_version(const struct host *host, const char *program, struct strbuf *ret, struct error *err);

#endif
