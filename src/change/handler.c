/*
 * A runtime handler of the node's containerd: a drop-in that is really imported, containerd restarted once under its
 * pods, and the handler seen in what the running one says of itself. One change, so that whatever does not come to its
 * end is taken back at once, and that undoing removes the files before it restarts.
 *
 * target: the drop-in's path. want: {"text", "config", "pattern" (the import that config needs; absent where the
 * distribution brings it), "program", "unit", "socket", "handler", "runtime"}; before: {"drop_in", "config"} as
 * file_state_capture() has them.
 */
#include <fnmatch.h>

#include "base/diff.h"
#include "base/fault.h"
#include "change/backup.h"
#include "change/engine_restart.h"
#include "change/file_state.h"
#include "engine/containerd.h"
#include "sys/dir_names.h"

#define CANDIDATE	  CACHE_DIR "/containerd-candidate.toml"
#define CANDIDATE_DROP_IN CACHE_DIR "/containerd-candidate-drop-in.toml"

struct handler {
	const char *drop_in, *text, *config, *pattern, *program, *name, *runtime;
	struct cri_engine engine;
};

static struct handler handler_of(const char *target, const json_t *want)
{
	return (struct handler){
		.drop_in = target,
		.text = json_get_string(want, "text"),
		.config = json_get_string(want, "config"),
		.pattern = json_get_string(want, "pattern"),
		.program = json_get_string(want, "program"),
		.name = json_get_string(want, "handler"),
		.runtime = json_get_string(want, "runtime"),
		.engine = { json_get_string(want, "unit"), json_get_string(want, "socket") },
	};
}

/* Config.toml as it is, and as it must be: the same text where nothing is missing. */
static int config_texts(struct change_context *ctx, const struct handler *h, struct file_state *ret_now,
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
static bool config_holds(const struct handler *h, const struct file_state *now, const struct strbuf *then)
{
	return !h->pattern || file_state_is(now, strbuf_str(then), then->len);
}

/* 1 where both files are as they must be. */
static int files_hold(struct change_context *ctx, const struct handler *h, struct error *err)
{
	_cleanup_(file_state_release) struct file_state drop_in = FILE_STATE_INIT, config = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	int r = file_state_read(ctx->host, h->drop_in, &drop_in, err);

	if (r == 0)
		r = config_texts(ctx, h, &config, &then, err);
	if (r < 0)
		return r;
	return file_state_is(&drop_in, h->text, strlen(h->text)) && config_holds(h, &config, &then);
}

/* Does the engine that runs have it, and by our runtime? One that tells no settings is believed the name. */
static bool engine_has(struct change_context *ctx, const void *userdata)
{
	const struct handler *h = userdata;
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;
	const json_t *runtimes, *options;
	const char *runtime;

	if (engine_status(ctx, &h->engine, &status, NULL) < 0 || !cri_handler_find(&status, h->name))
		return false;
	runtimes = json_object_get(json_object_get(status.config, "containerd"), "runtimes");
	options = json_object_get(json_object_get(runtimes, h->name), "options");
	runtime = json_get_string(options, "BinaryName");
	return !runtimes || (runtime && strcmp(runtime, h->runtime) == 0);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	const struct unit_state *u;
	int r = files_hold(ctx, &h, err);

	if (r <= 0 || host_is_rooted(ctx->host))
		return r;
	r = context_unit(ctx, h.engine.unit, &u, err);
	/* Of one that is down the files are all there is to hold; that it runs is another's concern. */
	return r < 0 ? r : !unit_is_active(u) || engine_has(ctx, &h);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	_cleanup_(file_state_release) struct file_state drop_in = FILE_STATE_INIT, config = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	int r = file_state_read(ctx->host, h.drop_in, &drop_in, err);

	if (r == 0)
		r = config_texts(ctx, &h, &config, &then, err);
	if (r < 0)
		return r;
	diff_lines(drop_in.data ? drop_in.data : "", drop_in.len, h.text, strlen(h.text), 2, out);
	if (!config_holds(&h, &config, &then)) {
		strbuf_printf(out, "  %s\n", h.config);
		diff_lines(config.data ? config.data : "", config.len, strbuf_str(&then), then.len, 2, out);
	}
	strbuf_printf(out, "~ %s restarted once; its pods go on\n", h.engine.unit);
	return 0;
}

static int check_dump(struct change_context *ctx, const struct handler *h, const char *config, struct error *err)
{
	_cleanup_free_ char *dump = NULL, *runtime = NULL;
	int r = containerd_dump(ctx->host, h->program, config, &dump, err);

	if (r < 0)
		return r;
	runtime = containerd_dump_runtime(dump, h->name);
	if (runtime && strcmp(runtime, h->runtime) == 0)
		return 0;
	return error_set(err, EBUSY, "with berth's drop-in, containerd would run the handler '%s' by '%.200s', not by %s: "
			 "another file that it reads later names the handler, remove it there", h->name,
			 runtime ? runtime : "nothing", h->runtime);
}

static int put_text(struct change_context *ctx, const char *path, const char *text, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	int r = host_mkdirs(ctx->host, CACHE_DIR, 0755, NULL, err);

	return r < 0 ? r : host_write(ctx->host, path, text, strlen(text), &attrs, err);
}

/* The files of a pattern in containerd's order, ours as the candidate among them; a folder with wildcards stays one. */
static int expand(struct change_context *ctx, const struct handler *h, const char *pattern, bool *placed,
		  struct strv *ret)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	const char *name = strrchr(h->drop_in, '/') + 1, *base = strrchr(pattern, '/') + 1;
	bool ours = !*placed && fnmatch(pattern, h->drop_in, FNM_PATHNAME | FNM_PERIOD) == 0;
	const char *ignored;
	_cleanup_fd_ int fd = -EBADF;
	int r = 0;

	if (!strchr(base, '*') || (base > pattern && memchr(pattern, '*', (size_t)(base - pattern))))
		return strcmp(pattern, h->drop_in) == 0 ? 0 : strv_add(ret, pattern);
	fd = host_open_parent(ctx->host, pattern, &ignored);
	if (fd >= 0)
		r = dir_names(fd, &names);
	if (r == 0 && ours)
		r = strv_add_new(&names, name);
	strv_sort(&names);
	strv_foreach (&names, i, one) {
		if (r < 0 || fnmatch(base, one, FNM_PERIOD) != 0)
			continue;
		if (strncmp(pattern, h->drop_in, (size_t)(base - pattern)) != 0 || strcmp(one, name) != 0)
			r = strv_addf(ret, "%.*s%s", (int)(base - pattern), pattern, one);
		else if (ours)
			r = strv_add(ret, CANDIDATE_DROP_IN);
	}
	*placed |= ours;
	return r;
}

/* Config.toml as it will be, with each of its imports by name: those files are read where they are. */
static int candidate_text(struct change_context *ctx, const struct handler *h, struct strbuf *ret, struct error *err)
{
	_cleanup_(containerd_config_release) struct containerd_config config = CONTAINERD_CONFIG_INIT;
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	_cleanup_(strv_release) struct strv files = STRV_INIT;
	bool placed = false;
	int r = config_texts(ctx, h, &now, &then, err);

	if (r == 0)
		r = containerd_config_read(strbuf_str(&then), then.len, h->config, &config, err);
	if (r < 0)
		return r;
	strv_foreach (&config.imports, i, pattern) {
		_cleanup_free_ char *whole = containerd_import_path(h->config, pattern);

		r = r < 0 ? r : whole ? expand(ctx, h, whole, &placed, &files) : -ENOMEM;
	}
	if (r == 0 && !placed)
		r = strv_add(&files, CANDIDATE_DROP_IN);
	strbuf_add(ret, strbuf_str(&then), config.has_imports ? config.array_at : config.insert_at);
	strbuf_puts(ret, config.has_imports ? "" : "\nimports = [");
	strv_foreach (&files, i, file)
		strbuf_printf(ret, "%s'%s'", i ? ", " : "", file);
	strbuf_puts(ret, config.has_imports ? "" : "]\n");
	strbuf_puts(ret, strbuf_str(&then) + (config.has_imports ? config.last_end : config.insert_at));
	return r < 0 || strbuf_failed(ret) ? error_errno(err, ENOMEM, "check the settings") : 0;
}

/* The settings as they will be, judged by the same program before anything is touched. */
static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	_cleanup_(strbuf_release) struct strbuf candidate = STRBUF_INIT;
	struct error ignored = ERROR_INIT;
	int r = candidate_text(ctx, &h, &candidate, err);

	if (r == 0)
		r = put_text(ctx, CANDIDATE_DROP_IN, h.text, err);
	if (r == 0)
		r = put_text(ctx, CANDIDATE, strbuf_str(&candidate), err);
	if (r == 0)
		r = check_dump(ctx, &h, CANDIDATE, err);
	(void)host_remove(ctx->host, CANDIDATE, &ignored);
	(void)host_remove(ctx->host, CANDIDATE_DROP_IN, &ignored);
	return r < 0 ? error_context(err, "with '%s' and its import in '%s'", h.drop_in, h.config) : 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	json_t *drop_in = NULL, *config = NULL;
	int r = file_state_capture(ctx->host, h.drop_in, &drop_in, err);

	if (r == 0)
		r = file_state_capture(ctx->host, h.config, &config, err);
	if (r < 0) {
		json_decref(drop_in);
		return r;
	}
	*ret_before = json_pack("{s:o, s:o}", "drop_in", drop_in, "config", config);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", h.drop_in);
}

static int write_files(struct change_context *ctx, const struct handler *h, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf then = STRBUF_INIT;
	struct file_attrs attrs = { .mode = 0644 };
	_cleanup_json_ json_t *first = NULL, *second = NULL;
	int r = file_state_put(ctx, h->drop_in, h->text, strlen(h->text), &attrs, &first, err);

	if (r == 0)
		r = config_texts(ctx, h, &now, &then, err);
	if (r < 0 || config_holds(h, &now, &then))
		return r;
	if (now.exists)
		attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return file_state_put(ctx, h->config, strbuf_str(&then), then.len, &attrs, &second, err);
}

/* As it was before, and containerd with it: what a node serves is worth more than what it could serve. */
static int take_back(struct change_context *ctx, const struct handler *h, const json_t *before, bool restarted,
		     struct error *err)
{
	struct error again = ERROR_INIT;

	if (file_state_restore(ctx, h->drop_in, json_object_get(before, "drop_in"), &again) == 0)
		(void)file_state_restore(ctx, h->config, json_object_get(before, "config"), &again);
	return engine_take_back(ctx, &h->engine, restarted, &again, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	const struct unit_state *u;
	ssize_t pods = -1;
	int r = write_files(ctx, &h, err);

	fault_point("handler:files");
	if (r == 0 && !host_is_rooted(ctx->host)) {
		r = context_unit(ctx, h.engine.unit, &u, err);
		if (r == 0 && unit_is_active(u)) {
			r = check_dump(ctx, &h, h.config, err);
			if (r == 0)
				r = engine_bring(ctx, &h.engine, engine_has, &h, &pods, err);
			if (r < 0)
				return take_back(ctx, &h, before, pods >= 0, err);
		}
	}
	if (r < 0)
		return r;
	*ret_after = json_pack("{s:I}", "containers", (json_int_t)(pods < 0 ? 0 : pods));
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", h.drop_in);
}

/* 1: config.toml is just what berth made of what it was; 0: not, or there was none; -EEXIST: it had the import. */
static int is_ours(struct change_context *ctx, const struct handler *h, const struct file_state *now,
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
static int undo_config(struct change_context *ctx, const struct handler *h, const json_t *before, struct error *err)
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
static char *other_drop_in(struct change_context *ctx, const struct handler *h)
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

static int undo_drop_in(struct change_context *ctx, const struct handler *h, const json_t *before,
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

static int undo(struct change_context *ctx, const struct change_record *record, enum undo_outcome *ret,
		struct strbuf *why, struct error *err)
{
	const struct handler h = handler_of(record->target, record->want);
	const json_t *config = json_object_get(record->before, "config");
	_cleanup_free_ char *other = NULL;
	bool rooted = host_is_rooted(ctx->host);
	int r = rooted ? 0 : engine_may_undo(ctx, record, err);
	size_t pods;

	*ret = UNDO_NOTHING;
	if (r < 0)
		return r;
	r = undo_drop_in(ctx, &h, json_object_get(record->before, "drop_in"), ret, why, err);
	/* The import is another's now, too, where something else lies in its folder. */
	other = h.pattern ? other_drop_in(ctx, &h) : NULL;
	if (r == 0 && *ret != UNDO_LEFT && !other)
		r = undo_config(ctx, &h, config, err);
	else if (r == 0 && *ret != UNDO_LEFT)
		strbuf_printf(why, "'%s' still imports '%s', for '%s'", h.config, h.pattern, other);
	if (r > 0)
		*ret = UNDO_DONE;
	fault_point("handler:undone");
	if (r < 0 || rooted || !engine_has(ctx, &h))
		return r < 0 ? r : 0;
	*ret = UNDO_DONE;
	progress_activity(ctx->progress, "restarting containerd");
	return engine_restart(ctx, &h.engine, &pods, err);
}

const struct change_kind change_handler = {
	.name = "handler",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.may_undo = engine_may_undo,
	.undo = undo,
};
