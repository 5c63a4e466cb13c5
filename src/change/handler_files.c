#include "change/handler_files.h"

#include "base/fault.h"
#include "change/backup.h"
#include "engine/containerd_config.h"
#include "sys/dir_names.h"

void handler_attempt_release(struct handler_attempt *attempt)
{
	file_state_release(&attempt->drop_in);
	file_state_release(&attempt->config);
	free(attempt->wrote);
	*attempt = HANDLER_ATTEMPT_INIT;
}

/* Config.toml as it is, and as it must be: the same text where nothing is missing. */
int handler_config_texts(struct change_context *ctx, const struct handler_files *h, struct file_state *ret_now,
			struct strbuf *ret_then, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	int r = file_state_read(ctx->host, h->config, ret_now, err);
	size_t len = ret_now->len;

	if (r == 0 && ret_now->exists)
		r = containerd_config_read(ret_now->data, len, h->config, &config, err);
	if (r < 0 || (!ret_now->exists && !h->pattern))
		return r;
	if (ret_now->exists && (!h->pattern || containerd_config_imports(&config, h->config, h->drop_in)))
		strbuf_add(ret_then, ret_now->data, len);
	else if (ret_now->exists)
		(void)containerd_config_add(ret_now->data, len, &config, h->pattern, ret_then);
	else
		strbuf_printf(ret_then, "version = 3\nimports = ['%s']\n", h->pattern);
	return strbuf_failed(ret_then) ? error_errno(err, ENOMEM, "edit '%s'", h->config) : 0;
}

/* Nothing is missing in config.toml; one that the distribution writes is not looked at. */
bool handler_config_holds(const struct handler_files *h, const struct file_state *now, const struct strbuf *then)
{
	return !h->pattern || file_state_is(now, strbuf_str(then), then->len);
}

/* 1 where both files are as they must be. */
int handler_files_hold(struct change_context *ctx, const struct handler_files *h, struct error *err)
{
	_cleanup_(file_state_release) struct file_state drop_in = FILE_STATE_INIT, config = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	int r = file_state_read(ctx->host, h->drop_in, &drop_in, err);

	if (r == 0)
		r = handler_config_texts(ctx, h, &config, &then, err);
	if (r < 0)
		return r;
	return file_state_is(&drop_in, h->text, strlen(h->text)) && handler_config_holds(h, &config, &then);
}

static int write_config(struct change_context *ctx, const struct handler_files *h, struct handler_attempt *attempt,
			struct error *err)
{
	const struct file_state *now = &attempt->config;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	struct file_attrs attrs = { .mode = 0644 };
	_cleanup_json_ json_t *after = NULL;
	int r = handler_config_texts(ctx, h, &attempt->config, &then, err);

	if (r < 0 || handler_config_holds(h, now, &then))
		return r;
	if (now->exists)
		attrs = (struct file_attrs){ .mode = now->mode, .uid = now->uid, .gid = now->gid };
	attempt->wrote = strdup(strbuf_str(&then));
	if (!attempt->wrote)
		return error_errno(err, ENOMEM, "edit '%s'", h->config);
	return file_state_put(ctx, h->config, strbuf_str(&then), then.len, &attrs, &after, err);
}

int handler_files_write(struct change_context *ctx, const struct handler_files *h, struct handler_attempt *ret,
			struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_json_ json_t *after = NULL;
	int r = file_state_read(ctx->host, h->drop_in, &ret->drop_in, err);

	if (r < 0)
		return r;
	ret->wrote_drop_in = !file_state_is(&ret->drop_in, h->text, strlen(h->text));
	r = file_state_put(ctx, h->drop_in, h->text, strlen(h->text), &attrs, &after, err);
	return r < 0 ? r : write_config(ctx, h, ret, err);
}

/* Edited since: what others wrote stays, and our import goes. */
static int strip_import(struct change_context *ctx, const struct handler_files *h, const struct file_state *now,
			struct error *err)
{
	const struct file_attrs attrs = { .mode = now->mode, .uid = now->uid, .gid = now->gid };
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	_cleanup_json_ json_t *after = NULL;
	int r = containerd_config_drop(now->data, now->len, h->pattern, &then, err);

	return r <= 0 ? r : file_state_put(ctx, h->config, strbuf_str(&then), then.len, &attrs, &after, err);
}

static int put_config_back(struct change_context *ctx, const struct handler_files *h,
			   const struct handler_attempt *attempt, const json_t *before, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	int r;

	if (!attempt->wrote)
		return 0;
	r = file_state_read(ctx->host, h->config, &now, err);
	if (r < 0 || !now.exists)
		return r;
	return file_state_is(&now, attempt->wrote, strlen(attempt->wrote)) ?
		       file_state_put_back(ctx, h->config, &attempt->config, before, err) :
		       strip_import(ctx, h, &now, err);
}

/*
 * A drop-in of ours that was there already is of an attempt that was cut off, or of better days. The engine did not come up
 * with it just now: then it goes, as nothing in it is anybody else's.
 */
int handler_files_put_back(struct change_context *ctx, const struct handler_files *h,
			   const struct handler_attempt *attempt, const json_t *before, bool restarted, struct error *err)
{
	const json_t *drop_in = json_object_get(before, "drop_in");
	int r = 0;

	if (attempt->wrote_drop_in)
		r = file_state_put_back(ctx, h->drop_in, &attempt->drop_in, drop_in, err);
	else if (restarted)
		r = file_state_restore(ctx, h->drop_in, drop_in, err);
	fault_point("handler:put-back");
	return r < 0 ? r : put_config_back(ctx, h, attempt, json_object_get(before, "config"), err);
}

/* 1: config.toml is just what berth made of what it was; 0: not, or there was none; -EEXIST: it had the import. */
static int is_ours(struct change_context *ctx, const struct handler_files *h, const struct file_state *now,
		   const json_t *before, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	int r;

	if (!json_get_bool(before, "exists", false))
		return 0;
	r = backup_get(ctx->host, json_get_string(before, "sha256"), &data, &len, err);
	if (r == 0)
		r = containerd_config_read(data, len, h->config, &config, err);
	if (r < 0)
		return r;
	if (containerd_config_imports(&config, h->config, h->drop_in))
		return -EEXIST;
	if (containerd_config_add(data, len, &config, h->pattern, &then) < 0)
		return error_errno(err, ENOMEM, "edit '%s'", h->config);
	return file_state_is(now, strbuf_str(&then), then.len);
}

/* Ours goes out of config.toml; whatever else was written into it since stays. 1: it was changed. */
static int undo_config(struct change_context *ctx, const struct handler_files *h, const json_t *before, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	_cleanup_json_ json_t *after = NULL;
	struct file_attrs attrs;
	bool whole;
	int r = h->pattern ? file_state_read(ctx->host, h->config, &now, err) : 0;

	if (r < 0 || !h->pattern || !now.exists)
		return r;
	r = is_ours(ctx, h, &now, before, err);
	if (r < 0)
		return r == -EEXIST ? 0 : r;
	whole = r > 0;
	r = whole ? 1 : containerd_config_drop(now.data, now.len, h->pattern, &then, err);
	if (r <= 0)
		return r;
	if (!json_get_bool(before, "exists", true))
		whole = strcmp(strbuf_str(&then), "version = 3\n") == 0;
	attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	r = whole ? file_state_restore(ctx, h->config, before, err) :
		    file_state_put(ctx, h->config, strbuf_str(&then), then.len, &attrs, &after, err);
	return r < 0 ? r : 1;
}

/* Another's, in the folder of the drop-in: the import is theirs as well, then. free() it. */
static char *other_drop_in(struct change_context *ctx, const struct handler_files *h)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	const char *name;
	_cleanup_fd_ int fd = host_open_parent(ctx->host, h->drop_in, &name);

	if (fd < 0 || dir_names(fd, &names) < 0)
		return NULL;
	strv_foreach (&names, i, other) {
		size_t n = strlen(other);

		if (n > 5 && strcmp(other + n - 5, ".toml") == 0 && strcmp(other, name) != 0)
			return xasprintf("%.*s%s", (int)(name - h->drop_in), h->drop_in, other);
	}
	return NULL;
}

static int undo_drop_in(struct change_context *ctx, const struct handler_files *h, const json_t *before,
			enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	int r = file_state_read(ctx->host, h->drop_in, &now, err);

	if (r < 0)
		return r;
	/* Taken away already, but parents we made may still be there. */
	if (!now.exists)
		return json_get_bool(before, "exists", false) ? 0 : file_state_restore(ctx, h->drop_in, before, err);
	if (!file_state_is(&now, h->text, strlen(h->text))) {
		strbuf_printf(why, "'%s' was changed since berth wrote it: left as it is", h->drop_in);
		*ret = UNDO_LEFT;
		return 0;
	}
	*ret = UNDO_DONE;
	return file_state_restore(ctx, h->drop_in, before, err);
}

int handler_files_undo(struct change_context *ctx, const struct handler_files *h, const json_t *before,
		       enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	_cleanup_free_ char *other = NULL;
	int r = undo_drop_in(ctx, h, json_object_get(before, "drop_in"), ret, why, err);

	/* The import is another's now, too, where something else lies in its folder. */
	other = h->pattern ? other_drop_in(ctx, h) : NULL;
	if (r == 0 && *ret != UNDO_LEFT && !other)
		r = undo_config(ctx, h, json_object_get(before, "config"), err);
	else if (r == 0 && *ret != UNDO_LEFT)
		strbuf_printf(why, "'%s' still imports '%s', for '%s'", h->config, h->pattern, other);
	if (r > 0)
		*ret = UNDO_DONE;
	return r < 0 ? r : 0;
}
