#include "change/package_file.h"

#include "base/digest.h"
#include "engine/download.h"
#include "host/packages.h"

json_t *package_file_want(const struct package_file *file)
{
	_cleanup_free_ char *path =
		*file->file ? strdup(file->file)
			    : xasprintf("%s/%s_%s.deb", CACHE_DIR, file->package, file->version);

	return path ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "package", file->package,
				"version", file->version, "url", file->url, "file", file->file,
				"sha256", file->sha256, "path", path)
		    : NULL;
}

void package_file_describe(const json_t *want, struct strbuf *out)
{
	const char *file = json_get_string(want, "file");
	const char *sha256 = json_get_string(want, "sha256");

	strbuf_printf(out, "+ %s %s from %s", json_get_string(want, "package"),
		      json_get_string(want, "version"),
		      *file ? file : json_get_string(want, "url"));
	strbuf_printf(out, *sha256 ? " (SHA-256 %.16s...)\n" : " (no SHA-256 given)%s\n",
		      *sha256 ? sha256 : "");
}

static int check_digest(struct change_context *ctx, const char *path, const char *expected,
			struct error *err)
{
	char actual[DIGEST_HEX_MAX];
	_cleanup_fd_ int fd = host_open(ctx->host, path, 0, 0);
	int r;

	if (fd < 0)
		return error_errno(err, fd, "open the package '%s'", path);
	r = digest_fd(fd, actual, err);
	if (r < 0 || !*expected || strcasecmp(actual, expected) == 0)
		return r;
	return error_set(err, EBADMSG,
			 "'%s' has the SHA-256 %s, not %s as it should: it is another "
			 "or a damaged file; nothing was changed",
			 path, actual, expected);
}

char *package_field(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, name, n) == 0 && strncmp(line + n, ": ", 2) == 0)
			return strndup(line + n + 2, strcspn(line + n + 2, "\n"));
	}
	return NULL;
}

int package_file_get(struct change_context *ctx, const json_t *want, struct error *err)
{
	const char *path = json_get_string(want, "path");
	const char *sha256 = json_get_string(want, "sha256");
	int r;

	if (*json_get_string(want, "file")) {
		r = check_digest(ctx, path, sha256, err);
	} else {
		r = host_mkdirs(ctx->host, CACHE_DIR, 0700, NULL, err);
		if (r == 0)
			r = download_file(ctx->host, json_get_string(want, "url"), sha256, path, ctx->download_ms,
					  ctx->progress, err);
	}
	return r;
}

static int check_archive(struct change_context *ctx, const char *path, struct error *err)
{
	const char *const argv[] = { "dpkg-deb", "--contents", path, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 120000, .output_cap = 4096 };
	int r = host_check(ctx->host, argv, &options, &result, err);

	if (r == -EPROTO)
		return error_set(err, EBADMSG, "'%s' is not a whole Debian package (truncated?): "
				 "get it again", path);
	return r;
}

int package_file_check(struct change_context *ctx, const json_t *want, struct error *err)
{
	const char *path = json_get_string(want, "path");
	const char *package = json_get_string(want, "package"), *wanted = json_get_string(want, "version");
	const char *const argv[] = { "dpkg-deb", "--field", path, "Package", "Version", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000 };
	_cleanup_free_ char *name = NULL, *version = NULL;
	int r = check_archive(ctx, path, err);

	if (r == 0)
		r = host_check(ctx->host, argv, &options, &result, err);
	if (r < 0)
		return r;
	name = package_field(strbuf_str(&result.out), "Package");
	version = package_field(strbuf_str(&result.out), "Version");
	if (name && version && strcmp(name, package) == 0 && package_version_is_of(version, wanted))
		return 0;
	return error_set(err, EBADMSG, "'%s' is %s %s, not %s %s: it is another package; nothing was changed", path,
			 name ? name : "a package without a name", version ? version : "", package, wanted);
}
