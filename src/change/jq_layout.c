#include "change/jq_layout.h"

#include "base/json.h"
#include "change/backup.h"

#define DAEMON_JSON "/etc/docker/daemon.json"

int jq_layout_capture(struct change_context *ctx, json_t **ret, struct error *err)
{
	return file_state_capture(ctx->host, DAEMON_JSON, ret, err);
}

int jq_layout_show(struct change_context *ctx, struct file_state *kept, struct error *err)
{
	struct file_attrs attrs;
	_cleanup_json_ json_t *value = NULL;
	_cleanup_free_ char *text = NULL;
	int r = file_state_read(ctx->host, DAEMON_JSON, kept, err);

	if (r < 0 || !kept->exists ||
	    json_parse(kept->data, kept->len, DAEMON_JSON, &value, NULL) < 0)
		return r;
	attrs = (struct file_attrs){ .mode = kept->mode, .uid = kept->uid, .gid = kept->gid };
	text = json_dumps(value, JSON_INDENT(4));
	if (!text)
		return error_errno(err, ENOMEM, "lay out '%s'", DAEMON_JSON);
	return host_write(ctx->host, DAEMON_JSON, text, strlen(text), &attrs, err);
}

int jq_layout_hide(struct change_context *ctx, const struct file_state *kept, struct error *err)
{
	struct file_attrs attrs = { .mode = kept->mode, .uid = kept->uid, .gid = kept->gid };

	if (!kept->exists)
		return 0;
	return host_write(ctx->host, DAEMON_JSON, kept->data, kept->len, &attrs, err);
}

/* Equal as JSON, and not byte for byte? */
static bool only_layout_differs(const struct file_state *now, const char *old, size_t old_len)
{
	_cleanup_json_ json_t *a = NULL, *b = NULL;

	return now->exists && (now->len != old_len || memcmp(now->data, old, old_len) != 0) &&
	       json_parse(now->data, now->len, DAEMON_JSON, &a, NULL) == 0 &&
	       json_parse(old, old_len, DAEMON_JSON, &b, NULL) == 0 && json_equal(a, b);
}

int jq_layout_clean_up(struct change_context *ctx, const json_t *settings, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_free_ char *old = NULL;
	struct file_attrs attrs;
	size_t old_len = 0;
	int r;

	if (!json_get_bool(settings, "exists", false) ||
	    file_state_read(ctx->host, DAEMON_JSON, &now, NULL) < 0)
		return 0;
	r = backup_get(ctx->host, json_get_string(settings, "sha256"), &old, &old_len, err);
	if (r < 0 || !only_layout_differs(&now, old, old_len))
		return r;
	attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return host_write(ctx->host, DAEMON_JSON, old, old_len, &attrs, err);
}
