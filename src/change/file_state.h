/*
 * What kinds that write files share: the state of a file now, its capture into the journal, putting
 * bytes in place, and putting the old ones back where the file is still what berth left.
 */
#ifndef CHANGE_FILE_STATE_H
#define CHANGE_FILE_STATE_H

#include "base/digest.h"
#include "change/change.h"

struct file_state {
	bool exists;
	char *data; /* whole content, NULL when absent */
	size_t len;
	char sha256[DIGEST_HEX_MAX];
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

#define FILE_STATE_INIT ((struct file_state){ 0 })
void file_state_release(struct file_state *state);

/* Absent is not an error. A symlink, directory or device in its place is: -EINVAL, with what it is. */
int file_state_read(const struct host *host, const char *path, struct file_state *ret,
		    struct error *err);

/* Is it there, with just these bytes? */
bool file_state_is(const struct file_state *state, const void *data, size_t len);

/* {"exists", "sha256", "mode", "uid", "gid", "missing": [parents that do not exist]}, content backed up. */
int file_state_capture(const struct host *host, const char *path, json_t **ret, struct error *err);

/*
 * Could it be written, as far as that can be told without trying? 0; -EROFS: its file system is read-only, -EPERM: it, or
 * the folder it is in, is immutable (chattr +i, +a).
 */
int file_state_writable(const struct host *host, const char *path, struct error *err);

/* Make the parents, write atomically, note {"sha256"}; unit files ask for a daemon-reload. */
int file_state_put(struct change_context *ctx, const char *path, const void *data, size_t len,
		   const struct file_attrs *attrs, json_t **ret_after, struct error *err);

/* The undo of such a change; `wanted` is the digest apply() was to leave. */
int file_state_undo(struct change_context *ctx, const struct change_record *record,
		    const char *wanted, enum undo_outcome *ret, struct strbuf *why,
		    struct error *err);

/* Bring back what capture noted, whatever is there now. */
int file_state_restore(struct change_context *ctx, const char *path, const json_t *before,
		       struct error *err);

/*
 * Bring back what one attempt found, which later edits may have made other than what `before`, of the first one, has.
 * Where it found none and there was none, the parents that were made for it go as well.
 */
int file_state_put_back(struct change_context *ctx, const char *path, const struct file_state *found,
			const json_t *before, struct error *err);

#endif
