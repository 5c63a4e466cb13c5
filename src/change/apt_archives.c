#include "change/apt_archives.h"

#include <fcntl.h>
#include <strings.h>

#include "base/digest.h"
#include "change/apt_run.h"
#include "change/package_file.h"

#define ARCHIVES "/var/cache/apt/archives"

/* Side by side. */
struct archives {
	struct strv specs; /* "runc=1.1.4" */
	struct strv paths;
};

static void archives_release(struct archives *archives)
{
	strv_release(&archives->specs);
	strv_release(&archives->paths);
}

/* As apt writes a part of an archive's name: "1:2.3" is "1%3a2.3". */
static void put_quoted(struct strbuf *path, const char *part)
{
	for (; *part; part++)
		strbuf_printf(path, strchr("_:%", *part) ? "%%%02x" : "%c", (unsigned char)*part);
}

/*
 * Of "Inst runc [1.1.4] (1.1.5 Debian:12 [amd64])", whose old version may be missing, and behind which may be "[]". Other
 * lines add nothing.
 */
static int add_line(struct change_context *ctx, const char *line, size_t len, struct archives *ret)
{
	_cleanup_(strbuf_release) struct strbuf path = STRBUF_INIT;
	_cleanup_free_ char *text = strndup(line, len), *name = NULL, *version = NULL;
	const char *begin = text && strncmp(text, "Inst ", 5) == 0 ? text + 5 : NULL;
	const char *round = begin ? strchr(begin, '(') : NULL, *closed = round ? strchr(round, ')') : NULL;
	const char *square = closed ? memrchr(round, '[', (size_t)(closed - round)) : NULL;

	if (!square)
		return text ? 0 : -ENOMEM;
	name = strndup(begin, strcspn(begin, " "));
	version = strndup(round + 1, strcspn(round + 1, " "));
	if (!name || !version)
		return -ENOMEM;
	strbuf_puts(&path, ARCHIVES "/");
	put_quoted(&path, name);
	strbuf_putc(&path, '_');
	put_quoted(&path, version);
	strbuf_printf(&path, "_%.*s.deb", (int)strcspn(square + 1, "]"), square + 1);
	if (strbuf_failed(&path))
		return -ENOMEM;
	if (!host_exists(ctx->host, strbuf_str(&path)))
		return 0;
	return strv_addf(&ret->specs, "%s=%s", name, version) < 0 ? -ENOMEM : strv_add(&ret->paths, strbuf_str(&path));
}

static int find(struct change_context *ctx, const char *simulated, struct archives *ret)
{
	int r = 0;

	for (const char *line = simulated, *end; r == 0 && *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		r = add_line(ctx, line, (size_t)(end - line), ret);
	}
	return r;
}

static bool has_digest(const struct host *host, const char *path, const char *sha256)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	char got[DIGEST_HEX_MAX];

	return fd >= 0 && digest_fd(fd, got, NULL) == 0 && strcasecmp(got, sha256) == 0;
}

/* One stanza of a repository's. Another may have the same version of the package, made otherwise. */
static int judge(struct change_context *ctx, const struct archives *archives, const char *stanza, size_t len,
		 struct strv *right, struct strv *wrong)
{
	_cleanup_free_ char *text = strndup(stanza, len), *name = text ? package_field(text, "Package") : NULL;
	_cleanup_free_ char *version = text ? package_field(text, "Version") : NULL;
	_cleanup_free_ char *sha256 = text ? package_field(text, "SHA256") : NULL;
	_cleanup_free_ char *spec = name && version ? xasprintf("%s=%s", name, version) : NULL;

	strv_foreach (&archives->specs, i, known) {
		const char *path = archives->paths.items[i];

		if (spec && sha256 && strcmp(known, spec) == 0)
			return strv_add(has_digest(ctx->host, path, sha256) ? right : wrong, path);
	}
	return 0;
}

static int remove_wrong(struct change_context *ctx, const struct archives *archives, const char *lists, struct error *err)
{
	_cleanup_(strv_release) struct strv right = STRV_INIT, wrong = STRV_INIT;
	int r = 0;

	for (const char *stanza = lists, *end; r == 0 && *stanza; stanza = end + strspn(end, "\n")) {
		end = strstr(stanza, "\n\n");
		end = end ? end : strchr(stanza, '\0');
		r = judge(ctx, archives, stanza, (size_t)(end - stanza), &right, &wrong);
	}
	strv_foreach (&wrong, i, path) {
		if (r == 0 && !strv_contains(&right, path))
			r = host_remove(ctx->host, path, err);
	}
	return r == -ENOMEM ? error_errno(err, r, "look at '%s'", ARCHIVES) : r;
}

int apt_archives_check(struct change_context *ctx, const char *simulated, struct error *err)
{
	_cleanup_(archives_release) struct archives archives = { 0 };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = ctx->package_lock_ms };
	int r = find(ctx, simulated, &archives);

	if (r == 0 && !archives.specs.len)
		return 0;
	if (r == 0)
		r = strv_add(&argv, "apt-cache") < 0 || strv_add(&argv, "show") < 0 ? -ENOMEM : 0;
	strv_foreach (&archives.specs, i, spec)
		r = r < 0 ? r : strv_add(&argv, spec);
	if (r < 0)
		return error_errno(err, r, "look at '%s'", ARCHIVES);
	progress_activity(ctx->progress, "looking at what was downloaded before");
	/* It fails for one that it does not know, and tells of the others. */
	if (host_run(ctx->host, (const char *const *)argv.items, &options, &result, NULL) < 0)
		return 0;
	return remove_wrong(ctx, &archives, strbuf_str(&result.out), err);
}
