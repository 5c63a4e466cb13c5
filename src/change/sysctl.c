/* A kernel setting that is a number, raised and never lowered. want: {"at_least": n}. */
#include <fcntl.h>

#include "base/units.h"
#include "change/change.h"

static char *proc_path(const char *key)
{
	char *path = xasprintf("/proc/sys/%s", key);

	for (char *p = path ? path + strlen("/proc/sys/") : NULL; p && *p; p++) {
		if (*p == '.')
			*p = '/';
	}
	return path;
}

/* -ENOENT without a message when this kernel has no such setting. */
static int value_now(const struct host *host, const char *key, int64_t *ret, struct error *err)
{
	_cleanup_free_ char *path = proc_path(key);
	_cleanup_free_ char *text = NULL;
	int r = path ? host_read(host, path, 4096, &text, NULL) : -ENOMEM;

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return error_errno(err, r, "read the kernel setting %s", key);
	text[strcspn(text, " \t\n")] = '\0';
	r = i64_parse(text, ret);
	return r < 0 ? error_set(err, -r, "the kernel setting %s is not a number: '%.40s'", key, text) :
		       0;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	int64_t now;
	int r = value_now(ctx->host, change->target, &now, err);

	if (r == -ENOENT)
		return 1; /* e.g. unprivileged_userns_clone exists on Debian's kernels only */
	return r < 0 ? r : now >= json_get_int(change->want, "at_least", 0);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	int64_t now;
	int r = value_now(ctx->host, change->target, &now, err);

	if (r < 0)
		return r;
	strbuf_printf(out, "- %" PRId64 "\n+ %" JSON_INTEGER_FORMAT "\n", now,
		      json_get_int(change->want, "at_least", 0));
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	int64_t now;
	int r = value_now(ctx->host, change->target, &now, err);

	if (r < 0)
		return r;
	*ret_before = json_pack("{s:I}", "value", (json_int_t)now);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note %s", change->target);
}

static int set(const struct host *host, const char *key, int64_t value, struct error *err)
{
	_cleanup_free_ char *path = proc_path(key);
	_cleanup_free_ char *text = xasprintf("%" PRId64 "\n", value);
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!path || !text)
		return error_errno(err, ENOMEM, "set %s", key);
	fd = host_open(host, path, O_WRONLY | O_TRUNC, 0);
	r = fd < 0 ? fd : file_write_all(fd, text, strlen(text));
	return r < 0 ? error_errno(err, r, "set the kernel setting %s to %" PRId64, key, value) : 0;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	json_int_t wanted = json_get_int(change->want, "at_least", 0);
	int64_t now;
	int r = set(ctx->host, change->target, wanted, err);

	(void)before;
	if (r == 0)
		r = value_now(ctx->host, change->target, &now, err);
	if (r < 0)
		return r;
	if (now < wanted)
		return error_set(err, EPERM, "the kernel took %s but it reads %" PRId64,
				 change->target, now);
	*ret_after = json_pack("{s:I}", "value", (json_int_t)now);
	return *ret_after ? 0 : error_errno(err, ENOMEM, "set %s", change->target);
}

static int undo(struct change_context *ctx, const struct change_record *record,
		enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	json_int_t before = json_get_int(record->before, "value", 0);
	json_int_t wanted = json_get_int(record->want, "at_least", 0);
	int64_t now;
	int r = value_now(ctx->host, record->target, &now, err);

	if (r == -ENOENT || (r == 0 && now == before)) {
		*ret = UNDO_NOTHING;
		return 0;
	}
	if (r < 0)
		return r;
	if (now != json_get_int(record->after, "value", wanted)) {
		strbuf_printf(why, "%s was set to %" PRId64 " since: left as it is", record->target,
			      now);
		*ret = UNDO_LEFT;
		return 0;
	}
	*ret = UNDO_DONE;
	return set(ctx->host, record->target, before, err);
}

const struct change_kind change_sysctl = {
	.name = "sysctl",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = undo,
};
