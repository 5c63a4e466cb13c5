#include "change/manifest.h"

#include <fcntl.h>

#include "change/change.h"

static char *path_of(const char *package)
{
	return package ? xasprintf(STATE_DIR "/%s.manifest", package) : NULL;
}

int manifest_read(const struct host *host, const char *package, json_t **ret, struct error *err)
{
	_cleanup_free_ char *path = path_of(package);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = path ? host_read(host, path, FILE_CAP_DEFAULT, &text, &len) : -ENOMEM;

	if (r == -ENOENT || r == -ENOTDIR) {
		*ret = NULL;
		return 0;
	}
	return r < 0 ? error_errno(err, r, "read what was unpacked of '%s'", package)
		     : json_parse(text, len, path, ret, err);
}

int manifest_write(const struct host *host, const json_t *manifest, struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0644 };
	_cleanup_free_ char *path = path_of(json_get_string(manifest, "package"));
	_cleanup_free_ char *text = json_dumps(manifest, JSON_INDENT(1));
	int r;

	if (!path || !text)
		return error_errno(err, ENOMEM, "note what is unpacked");
	r = host_mkdirs(host, STATE_DIR, 0755, NULL, err);
	return r < 0 ? r : host_write(host, path, text, strlen(text), &ATTRS, err);
}

int manifest_remove(const struct host *host, const char *package, struct error *err)
{
	_cleanup_free_ char *path = path_of(package);

	if (!path)
		return error_errno(err, ENOMEM, "forget what was unpacked");
	return host_exists(host, STATE_DIR) ? host_remove(host, path, err) : 0;
}

bool manifest_has(const json_t *manifest, const char *path, const char *sha256)
{
	json_t *file;
	size_t i;

	json_array_foreach (json_object_get(manifest, "files"), i, file) {
		const char *p = json_get_string(file, "path");
		const char *d = json_get_string(file, "sha256");

		if (p && d && strcmp(p, path) == 0 && (!sha256 || strcmp(d, sha256) == 0))
			return true;
	}
	return false;
}

int manifest_digest(const struct host *host, const char *path, char ret[static DIGEST_HEX_MAX],
		    struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	int r = host_stat(host, path, &st, false);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return error_errno(err, r, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL,
				 "'%s' is not a regular file: berth leaves it alone; move it "
				 "out of the way first",
				 path);
	fd = host_open(host, path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return error_errno(err, fd, "open '%s'", path);
	r = digest_fd(fd, ret, err);
	return r < 0 ? r : 1;
}

int manifest_holds(const struct host *host, const json_t *manifest, struct error *err)
{
	json_t *file;
	size_t i;

	if (!json_get_bool(manifest, "complete", false))
		return 0;
	json_array_foreach (json_object_get(manifest, "files"), i, file) {
		const char *path = json_get_string(file, "path");
		const char *wanted = json_get_string(file, "sha256");
		char sha256[DIGEST_HEX_MAX];
		int r;

		if (!path || !wanted)
			return 0;
		r = manifest_digest(host, path, sha256, err);
		if (r < 0)
			return r;
		if (r == 0 || (strcmp(sha256, wanted) != 0 && !manifest_is_settings(path)))
			return 0;
	}
	return 1;
}
