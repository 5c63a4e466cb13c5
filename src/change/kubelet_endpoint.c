#include "change/kubelet_endpoint.h"

#include "base/diff.h"
#include "change/file_state.h"
#include "host/unit_files.h"

#define KEY "container-runtime-endpoint"

/* ---- a snap ---- */

/* "": it has none. free() it. */
static int snap_get(struct change_context *ctx, const char *snap, char **ret, struct error *err)
{
	const char *const argv[] = { "snap", "get", snap, KEY, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000 };
	const char *text;
	int r = host_run(ctx->host, argv, &options, &result, err);

	if (r < 0)
		return r;
	/* Of a setting that it does not have it says so and fails. */
	text = result.exit_code == 0 ? strbuf_str(&result.out) : "";
	*ret = strndup(text, strcspn(text, "\n"));
	return *ret ? 0 : error_errno(err, ENOMEM, "ask snap %s", snap);
}

static int snap_set(struct change_context *ctx, const char *snap, const char *value, struct error *err)
{
	_cleanup_free_ char *setting = xasprintf(KEY "=%s", value);
	const char *const set[] = { "snap", "set", snap, setting, NULL };
	const char *const unset[] = { "snap", "unset", snap, KEY, NULL };
	struct spawn_options options = { .timeout_ms = ctx->services_ms };

	return setting ? host_check(ctx->host, *value ? set : unset, &options, NULL, err) :
			 error_errno(err, ENOMEM, "set up snap %s", snap);
}

/* ---- a unit ---- */

static int text_of(struct change_context *ctx, const struct kubelet_endpoint *e, char **ret, struct error *err)
{
	_cleanup_free_ char *command = NULL, *images = NULL;
	int r = unit_exec_start(ctx->host, e->unit, e->drop_in, &command, err);

	if (r < 0)
		return r;
	images = e->images ? xasprintf(" --image-service-endpoint=%s", e->endpoint) : strdup("");
	if (!images)
		return error_errno(err, ENOMEM, "make the text of '%s'", e->drop_in);
	*ret = xasprintf("# Written by berth: this kubelet uses another engine. The line is its own, with what says so.\n"
			 "[Unit]\n"
			 "Wants=%s\n"
			 "After=%s\n"
			 "\n"
			 "[Service]\n"
			 "ExecStart=\n"
			 "ExecStart=%s --" KEY "=%s%s\n", e->engine, e->engine, command, e->endpoint, images);
	return *ret ? 0 : error_errno(err, ENOMEM, "make the text of '%s'", e->drop_in);
}

int kubelet_endpoint_holds(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_free_ char *text = NULL;
	int r = e->snap ? snap_get(ctx, e->snap, &text, err) : text_of(ctx, e, &text, err);

	if (r < 0)
		return r;
	if (e->snap)
		return strcmp(text, e->endpoint) == 0;
	r = file_state_read(ctx->host, e->drop_in, &now, err);
	return r < 0 ? r : file_state_is(&now, text, strlen(text));
}

int kubelet_endpoint_is_told(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err)
{
	_cleanup_free_ char *value = NULL;
	int r;

	if (!e->snap)
		return host_exists(ctx->host, e->drop_in);
	r = snap_get(ctx, e->snap, &value, err);
	return r < 0 ? r : strcmp(value, e->endpoint) == 0;
}

int kubelet_endpoint_describe(struct change_context *ctx, const struct kubelet_endpoint *e, struct strbuf *out,
			      struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_free_ char *text = NULL;
	int r;

	if (e->snap) {
		strbuf_printf(out, "+ snap set %s " KEY "=%s\n", e->snap, e->endpoint);
		return 0;
	}
	r = text_of(ctx, e, &text, err);
	if (r == 0)
		r = file_state_read(ctx->host, e->drop_in, &now, err);
	if (r < 0)
		return r;
	strbuf_printf(out, "  %s\n", e->drop_in);
	diff_lines(now.data ? now.data : "", now.len, text, strlen(text), 2, out);
	return 0;
}

int kubelet_endpoint_capture(struct change_context *ctx, const struct kubelet_endpoint *e, json_t **ret, struct error *err)
{
	_cleanup_free_ char *value = NULL;
	int r;

	if (!e->snap)
		return file_state_capture(ctx->host, e->drop_in, ret, err);
	r = snap_get(ctx, e->snap, &value, err);
	if (r < 0)
		return r;
	*ret = json_pack("{s:s}", "value", value);
	return *ret ? 0 : error_errno(err, ENOMEM, "note snap %s", e->snap);
}

int kubelet_endpoint_tell(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_json_ json_t *after = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (e->snap)
		return snap_set(ctx, e->snap, e->endpoint, err);
	r = text_of(ctx, e, &text, err);
	return r < 0 ? r : file_state_put(ctx, e->drop_in, text, strlen(text), &attrs, &after, err);
}

int kubelet_endpoint_restore(struct change_context *ctx, const struct kubelet_endpoint *e, const json_t *before,
			     struct error *err)
{
	const char *value = json_get_string(before, "value");

	return e->snap ? snap_set(ctx, e->snap, value ? value : "", err) :
			 file_state_restore(ctx, e->drop_in, before, err);
}
