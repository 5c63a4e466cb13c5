/*
 * A Debian package's files, put in place one by one.
 * want: what package_file.h has; before: {"subid": lines were there, "directories": of its daemons
 * that were there}; after: the manifest as it was left.
 */
#include "change/unpack.h"

#include <fcntl.h>

#include "base/fault.h"
#include "change/copy_file.h"
#include "change/deb_stage.h"
#include "change/manifest.h"
#include "change/subid.h"

/* In /etc/subuid and /etc/subgid, by name. */
#define SUBID_NAME "sysbox"

/* Made by its daemons; removed when they are empty and were not there before. */
static const char *const DIRECTORIES[] = { "/var/lib/sysboxfs", "/var/lib/sysbox" };

int plan_unpack(struct plan *plan, struct change_context *ctx, const struct package_file *file,
		const char *why, struct error *err)
{
	return plan_add(plan, ctx, &change_unpack, file->package, package_file_want(file), NULL,
			why, err);
}

static bool same(const json_t *a, const json_t *b, const char *key)
{
	const char *one = json_get_string(a, key), *other = json_get_string(b, key);

	return one && other && strcmp(one, other) == 0;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_json_ json_t *manifest = NULL;
	int r = manifest_read(ctx->host, change->target, &manifest, err);

	if (r < 0 || !manifest || !same(manifest, change->want, "version"))
		return r;
	if (*json_get_string(change->want, "sha256") && !same(manifest, change->want, "sha256"))
		return 0;
	return manifest_holds(ctx->host, manifest, err);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	(void)ctx;
	(void)err;
	package_file_describe(change->want, out);
	return 0;
}

/* Is every place free, or has it what berth put there, or what it would put there? */
static int check_places(struct change_context *ctx, const char *package,
			const struct staged *staged, struct error *err)
{
	_cleanup_json_ json_t *manifest = NULL;
	int r = manifest_read(ctx->host, package, &manifest, err);

	for (size_t i = 0; r >= 0 && i < staged->len; i++) {
		const struct staged_file *file = &staged->items[i];
		char sha256[DIGEST_HEX_MAX];

		r = manifest_digest(ctx->host, file->path, sha256, err);
		if (r <= 0 || strcmp(sha256, file->sha256) == 0 ||
		    manifest_is_settings(file->path) || manifest_has(manifest, file->path, sha256))
			continue;
		return error_set(
			err, EEXIST,
			"'%s' is there already and is not what berth put there: remove it if it "
			"is not needed, and run again",
			file->path);
	}
	return r < 0 ? r : 0;
}

static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(staged_release) struct staged staged = { 0 };
	const char *deb = json_get_string(change->want, "path");
	int r = package_file_get(ctx, change->want, err);

	if (r == 0)
		r = deb_can_stage(ctx->host, deb, err);
	/* Where tar comes with the packages, all this is found out when it is there. */
	if (r <= 0)
		return r;
	r = deb_stage(ctx, deb, &staged, err);
	return r < 0 ? r : check_places(ctx, change->target, &staged, err);
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	json_t *directories = json_array();

	(void)change;
	for (size_t i = 0; i < ARRAY_SIZE(DIRECTORIES); i++) {
		if (host_exists(ctx->host, DIRECTORIES[i]))
			(void)json_array_append_new(directories, json_string(DIRECTORIES[i]));
	}
	*ret_before = json_pack("{s:b, s:o}", "subid", subid_has(ctx->host, SUBID_NAME),
				"directories", directories);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note what is there");
}

/* ---- forward ---- */

/* The directories that a file needs and that are not there, outermost first, behind those known. */
static int note_directories(const struct host *host, const char *path, json_t *directories)
{
	_cleanup_free_ char *dir = strdup(path);
	size_t at = json_array_size(directories);

	if (!dir)
		return -ENOMEM;
	for (char *slash = strrchr(dir, '/'); slash && slash != dir; slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (host_exists(host, dir) || json_has_string(directories, dir))
			break;
		if (json_array_insert_new(directories, at, json_string(dir)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int add_staged(const struct host *host, const struct staged *staged, json_t *files,
		      json_t *directories)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < staged->len; i++) {
		const struct staged_file *f = &staged->items[i];

		r = note_directories(host, f->path, directories);
		if (r == 0 && json_array_append_new(files, json_pack("{s:s, s:s, s:i}", "path",
								     f->path, "sha256", f->sha256,
								     "mode", (int)f->mode)) < 0)
			r = -ENOMEM;
	}
	return r;
}

/* What will be there, and behind it what is there of an earlier version. */
static int new_manifest(struct change_context *ctx, const struct change *change,
			const struct staged *staged, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *old = NULL, *made = NULL;
	json_t *files, *directories, *file;
	size_t i;
	int r = manifest_read(ctx->host, change->target, &old, err);

	if (r < 0)
		return r;
	files = json_array();
	directories = json_array();
	json_array_extend(directories, json_object_get(old, "directories"));
	r = add_staged(ctx->host, staged, files, directories);
	made = json_pack("{s:s, s:O, s:O, s:b, s:o, s:o}", "package", change->target, "version",
			 json_object_get(change->want, "version"), "sha256",
			 json_object_get(change->want, "sha256"), "complete", 0, "files", files,
			 "directories", directories);
	if (r < 0 || !made)
		return error_errno(err, ENOMEM, "note what is unpacked");
	json_array_foreach (json_object_get(old, "files"), i, file) {
		if (!manifest_has(made, json_get_string(file, "path"),
				  json_get_string(file, "sha256")))
			(void)json_array_append(files, file);
	}
	*ret = TAKE_PTR(made);
	return 0;
}

static int put(struct change_context *ctx, const struct staged_file *file, struct error *err)
{
	_cleanup_fd_ int from = -EBADF;
	char sha256[DIGEST_HEX_MAX];
	struct stat st;
	int r = manifest_digest(ctx->host, file->path, sha256, err);

	if (r < 0)
		return r;
	if (r > 0 && (manifest_is_settings(file->path) ||
		      (strcmp(sha256, file->sha256) == 0 &&
		       host_stat(ctx->host, file->path, &st, false) == 0 &&
		       (st.st_mode & 07777) == file->mode)))
		return 0;
	from = host_open(ctx->host, file->source, O_RDONLY | O_NOFOLLOW, 0);
	if (from < 0)
		return error_errno(err, from, "open '%s'", file->source);
	return copy_file_put(ctx->host, from, file->path, file->mode, err);
}

/* What the manifest has behind the new files: an earlier version's, gone from its place or not. */
static int remove_old(struct change_context *ctx, json_t *manifest, size_t kept, struct error *err)
{
	json_t *files = json_object_get(manifest, "files");
	int r = 0;

	while (r >= 0 && json_array_size(files) > kept) {
		json_t *file = json_array_get(files, json_array_size(files) - 1);
		const char *path = json_get_string(file, "path");
		char sha256[DIGEST_HEX_MAX];

		r = manifest_digest(ctx->host, path, sha256, err);
		if (r > 0 && strcmp(sha256, json_get_string(file, "sha256")) == 0)
			r = host_remove(ctx->host, path, err);
		if (r >= 0)
			(void)json_array_remove(files, json_array_size(files) - 1);
	}
	return r < 0 ? r : 0;
}

static int put_all(struct change_context *ctx, const struct staged *staged, json_t *manifest,
		   struct error *err)
{
	int r = manifest_write(ctx->host, manifest, err);

	for (size_t i = 0; r == 0 && i < staged->len; i++) {
		progress_activityf(ctx->progress, "writing %s", staged->items[i].path);
		r = put(ctx, &staged->items[i], err);
	}
	if (r == 0)
		r = remove_old(ctx, manifest, staged->len, err);
	/* Before it is complete: an apply that has nothing to do any more would leave it. */
	if (r == 0)
		r = deb_unstage(ctx->host, err);
	if (r == 0)
		r = json_object_set_new(manifest, "complete", json_true()) < 0
			    ? error_errno(err, ENOMEM, "note what is unpacked")
			    : manifest_write(ctx->host, manifest, err);
	return r;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_(staged_release) struct staged staged = { 0 };
	_cleanup_json_ json_t *manifest = NULL;
	int r = deb_stage(ctx, json_get_string(change->want, "path"), &staged, err);

	(void)before;
	if (r == 0)
		r = check_places(ctx, change->target, &staged, err);
	if (r == 0)
		r = subid_add(ctx->host, SUBID_NAME, err);
	if (r == 0)
		r = new_manifest(ctx, change, &staged, &manifest, err);
	if (r == 0)
		r = put_all(ctx, &staged, manifest, err);
	ctx->reload_needed = true;
	context_changed(ctx);
	if (r < 0)
		return r;
	*ret_after = TAKE_PTR(manifest);
	return 0;
}

/* ---- back ---- */

static int take_away(struct change_context *ctx, const json_t *file, bool *done, struct strbuf *why,
		     struct error *err)
{
	const char *path = json_get_string(file, "path");
	const char *left = json_get_string(file, "sha256");
	struct error problem = ERROR_INIT;
	char sha256[DIGEST_HEX_MAX];
	int r;

	if (!path || !left)
		return 0;
	host_drop_temp(ctx->host, path);
	r = manifest_digest(ctx->host, path, sha256, &problem);
	if (r == 0)
		return 0;
	if (r < 0 || strcmp(sha256, left) != 0) {
		strbuf_printf(why, "%s'%s' was changed since berth put it there: left as it is",
			      why->len ? "; " : "", path);
		return 0;
	}
	*done = true;
	r = host_remove(ctx->host, path, err);
	fault_point("unpack:removed");
	return r;
}

static int take_all_away(struct change_context *ctx, const json_t *manifest, bool *done,
			 struct strbuf *why, struct error *err)
{
	const json_t *files = json_object_get(manifest, "files");
	const json_t *directories = json_object_get(manifest, "directories");
	int r = 0;

	for (size_t i = json_array_size(files); r == 0 && i > 0; i--) {
		const json_t *file = json_array_get(files, i - 1);
		_cleanup_(strbuf_release) struct strbuf kept = STRBUF_INIT;

		r = take_away(ctx, file, done, &kept, err);
		/* Twice in it while one version takes another's place: the other entry may be
		 * right. */
		if (kept.len && json_get_bool(manifest, "complete", true))
			strbuf_printf(why, "%s%s", why->len ? "; " : "", strbuf_str(&kept));
	}
	for (size_t i = json_array_size(directories); r == 0 && i > 0; i--)
		(void)host_rmdir(ctx->host, json_string_value(json_array_get(directories, i - 1)));
	return r;
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const json_t *kept = json_object_get(record->before, "directories");
	_cleanup_json_ json_t *manifest = NULL;
	bool done = false;
	int r = manifest_read(ctx->host, record->target, &manifest, err);

	/* Gone: of an undo that was cut off, or of a later version that went before. */
	if (r == 0)
		r = take_all_away(ctx, manifest ? manifest : record->after, &done, why, err);
	if (r == 0 && !json_get_bool(record->before, "subid", true))
		r = subid_drop(ctx->host, SUBID_NAME, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(DIRECTORIES); i++) {
		if (!json_has_string(kept, DIRECTORIES[i]))
			(void)host_rmdir(ctx->host, DIRECTORIES[i]);
	}
	if (r == 0)
		r = manifest_remove(ctx->host, record->target, err);
	ctx->reload_needed = true;
	context_changed(ctx);
	*ret = why->len ? UNDO_LEFT : done ? UNDO_DONE : UNDO_NOTHING;
	return r;
}

const struct change_kind change_unpack = {
	.name = "unpack",
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
