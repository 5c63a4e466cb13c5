#include "change/file_state.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "change/backup.h"

void file_state_release(struct file_state *state)
{
	free(state->data);
	*state = FILE_STATE_INIT;
}

bool file_state_is(const struct file_state *state, const void *data, size_t len)
{
	return state->exists && state->len == len && memcmp(state->data, data, len) == 0;
}

static const char *kind_of(mode_t mode)
{
	return S_ISLNK(mode) ? "a symbolic link" :
	       S_ISDIR(mode) ? "a directory" :
			       "not a regular file";
}

int file_state_read(const struct host *host, const char *path, struct file_state *ret,
		    struct error *err)
{
	struct file_state state = FILE_STATE_INIT;
	struct stat st;
	int r = host_stat(host, path, &st, false);

	*ret = state;
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return error_errno(err, r, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL,
				 "'%s' is %s: berth only writes regular files and leaves it alone; "
				 "replace it by a file first",
				 path, kind_of(st.st_mode));
	r = host_read(host, path, FILE_CAP_DEFAULT, &state.data, &state.len);
	if (r < 0)
		return error_errno(err, r, "read '%s'", path);
	state.exists = true;
	state.mode = st.st_mode & 07777;
	state.uid = st.st_uid;
	state.gid = st.st_gid;
	digest_hex(state.data, state.len, state.sha256);
	*ret = state;
	return 0;
}

/* 1: somebody has said that it is not to be changed; file systems without such flags say nothing. */
static int is_immutable(const struct host *host, const char *path)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NONBLOCK, 0);
	int flags = 0;

	return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL));
}

int file_state_writable(const struct host *host, const char *path, struct error *err)
{
	_cleanup_free_ char *dir = strdup(path);
	_cleanup_fd_ int fd = -ENOENT;
	bool itself;

	/* The nearest folder that is there: the rest would be made in it. */
	for (char *slash; fd == -ENOENT && dir && (slash = strrchr(dir, '/'));) {
		slash[slash == dir] = '\0';
		fd = host_open(host, dir, O_PATH | O_DIRECTORY, 0);
		if (slash == dir)
			break;
	}
	if (!dir)
		return error_errno(err, ENOMEM, "look at '%s'", path);
	if (fd < 0)
		return error_errno(err, fd, "open the folder of '%s'", path);
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0 && errno == EROFS)
		return error_set(err, EROFS, "'%s' is to be written, and '%s' is on a read-only file system: mount it writable and "
				 "run again", path, dir);
	itself = is_immutable(host, path);
	if (itself || is_immutable(host, dir))
		return error_set(err, EPERM, "'%s' is to be written, and somebody has made %s immutable: chattr -i -a it, if that is "
				 "not meant any more, and run again", path, itself ? "it" : "its folder");
	return 0;
}

/* The parents that are not there yet, outermost first: undo removes these when they are empty. */
static json_t *missing_parents(const struct host *host, const char *path)
{
	json_t *missing = json_array();
	_cleanup_free_ char *dir = strdup(path);

	for (char *slash = dir ? strrchr(dir, '/') : NULL; slash && slash != dir;
	     slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (host_exists(host, dir))
			break;
		(void)json_array_insert_new(missing, 0, json_string(dir));
	}
	return missing;
}

int file_state_capture(const struct host *host, const char *path, json_t **ret, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	char sha256[DIGEST_HEX_MAX];
	int r = file_state_read(host, path, &now, err);

	if (r < 0)
		return r;
	if (now.exists && (r = backup_put(host, now.data, now.len, sha256, err)) < 0)
		return r;
	*ret = now.exists ?
		       json_pack("{s:b, s:s, s:i, s:i, s:i}", "exists", 1, "sha256", now.sha256,
				 "mode", (int)now.mode, "uid", (int)now.uid, "gid", (int)now.gid) :
		       json_pack("{s:b, s:o}", "exists", 0, "missing", missing_parents(host, path));
	return *ret ? 0 : error_errno(err, ENOMEM, "note the state of '%s'", path);
}

static void note_reload(struct change_context *ctx, const char *path)
{
	if (strncmp(path, "/etc/systemd/", 13) == 0)
		ctx->reload_needed = true;
}

int file_state_put(struct change_context *ctx, const char *path, const void *data, size_t len,
		   const struct file_attrs *attrs, json_t **ret_after, struct error *err)
{
	_cleanup_free_ char *dir = strdup(path);
	char sha256[DIGEST_HEX_MAX];
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int r;

	if (!slash)
		return error_errno(err, ENOMEM, "write '%s'", path);
	if (slash != dir) {
		*slash = '\0';
		r = host_mkdirs(ctx->host, dir, 0755, NULL, err);
		if (r < 0)
			return r;
	}
	r = host_write(ctx->host, path, data, len, attrs, err);
	if (r < 0)
		return error_context(err, "write '%s'", path);
	note_reload(ctx, path);
	digest_hex(data, len, sha256);
	*ret_after = json_pack("{s:s}", "sha256", sha256);
	return *ret_after ? 0 : error_errno(err, ENOMEM, "write '%s'", path);
}

int file_state_restore(struct change_context *ctx, const char *path, const json_t *before,
		       struct error *err)
{
	const json_t *missing = json_object_get(before, "missing");
	struct file_attrs attrs = {
		.mode = (mode_t)json_get_int(before, "mode", 0644),
		.uid = (uid_t)json_get_int(before, "uid", 0),
		.gid = (gid_t)json_get_int(before, "gid", 0),
	};
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	int r;

	note_reload(ctx, path);
	if (json_get_bool(before, "exists", false)) {
		r = backup_get(ctx->host, json_get_string(before, "sha256"), &data, &len, err);
		return r < 0 ? r : host_write(ctx->host, path, data, len, &attrs, err);
	}
	r = host_remove(ctx->host, path, err);
	for (size_t i = json_array_size(missing); r == 0 && i > 0; i--) {
		int removed = host_rmdir(ctx->host, json_string_value(json_array_get(missing, i - 1)));

		/* Somebody else's file in it keeps a directory: that is right, not an error. */
		if (removed < 0 && removed != -ENOENT)
			break;
	}
	return r;
}

int file_state_put_back(struct change_context *ctx, const char *path, const struct file_state *found,
			const json_t *before, struct error *err)
{
	const struct file_attrs attrs = { .mode = found->mode, .uid = found->uid, .gid = found->gid };

	if (!found->exists && !json_get_bool(before, "exists", false))
		return file_state_restore(ctx, path, before, err);
	note_reload(ctx, path);
	return found->exists ? host_write(ctx->host, path, found->data, found->len, &attrs, err) :
			       host_remove(ctx->host, path, err);
}

static bool is_as_before(const struct file_state *now, const json_t *before)
{
	const char *sha256 = json_get_string(before, "sha256");

	if (!json_get_bool(before, "exists", false))
		return !now->exists;
	return now->exists && sha256 && strcmp(now->sha256, sha256) == 0 &&
	       now->mode == (mode_t)json_get_int(before, "mode", 0644);
}

int file_state_undo(struct change_context *ctx, const struct change_record *record,
		    const char *wanted, enum undo_outcome *ret, struct strbuf *why,
		    struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	const char *left = json_get_string(record->after, "sha256");
	struct error problem = ERROR_INIT;

	if (file_state_read(ctx->host, record->target, &now, &problem) < 0) {
		strbuf_puts(why, problem.message);
		*ret = UNDO_LEFT;
		return 0;
	}
	if (is_as_before(&now, record->before)) {
		*ret = UNDO_NOTHING;
		/* Absent already, but parents we made may still be there. */
		return now.exists ? 0 :
				    file_state_restore(ctx, record->target, record->before, err);
	}
	if (!left)
		left = wanted;
	if (!now.exists || !left || strcmp(now.sha256, left) != 0) {
		strbuf_printf(why, "'%s' was %s since berth wrote it: left as it is", record->target,
			      now.exists ? "changed" : "removed");
		*ret = UNDO_LEFT;
		return 0;
	}
	*ret = UNDO_DONE;
	return file_state_restore(ctx, record->target, record->before, err);
}
