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
#include "change/engine_restart.h"
#include "change/failures.h"
#include "change/handler_files.h"
#include "engine/containerd.h"
#include "sys/dir_names.h"

#define CANDIDATE	  CACHE_DIR "/containerd-candidate.toml"
#define CANDIDATE_DROP_IN CACHE_DIR "/containerd-candidate-drop-in.toml"

struct handler {
	struct handler_files files;
	const char *program, *name, *runtime;
	struct cri_engine engine;
};

static struct handler handler_of(const char *target, const json_t *want)
{
	return (struct handler){
		.files = { target, json_get_string(want, "text"), json_get_string(want, "config"),
			   json_get_string(want, "pattern") },
		.program = json_get_string(want, "program"),
		.name = json_get_string(want, "handler"),
		.runtime = json_get_string(want, "runtime"),
		.engine = { json_get_string(want, "unit"), json_get_string(want, "socket") },
	};
}

/* Does the engine that runs have all that the drop-in says? One that tells no settings is believed the name. */
static bool engine_has(struct change_context *ctx, const void *userdata)
{
	const struct handler *h = userdata;
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;

	return engine_status(ctx, &h->engine, &status, NULL) == 0 && cri_handler_find(&status, h->name) &&
	       containerd_has_drop_in(status.config, h->files.text, h->name);
}

/* Whatever else it says of the handler: while that is ours, it is to be taken from it. */
static bool engine_runs_ours(struct change_context *ctx, const struct handler *h)
{
	_cleanup_(cri_status_release) struct cri_status status = CRI_STATUS_INIT;

	return engine_status(ctx, &h->engine, &status, NULL) == 0 && cri_handler_find(&status, h->name) &&
	       containerd_has_runtime(status.config, h->name, h->runtime);
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	const struct unit_state *u;
	int r = handler_files_hold(ctx, &h.files, err);

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
	int r = file_state_read(ctx->host, h.files.drop_in, &drop_in, err);

	if (r == 0)
		r = handler_config_texts(ctx, &h.files, &config, &then, err);
	if (r < 0)
		return r;
	diff_lines(drop_in.data ? drop_in.data : "", drop_in.len, h.files.text, strlen(h.files.text), 2, out);
	if (!handler_config_holds(&h.files, &config, &then)) {
		strbuf_printf(out, "  %s\n", h.files.config);
		diff_lines(config.data ? config.data : "", config.len, strbuf_str(&then), then.len, 2, out);
	}
	strbuf_printf(out, "~ %s restarted once; its pods go on\n", h.engine.unit);
	return 0;
}

static int check_dump(struct change_context *ctx, const struct handler *h, const char *config, struct error *err)
{
	_cleanup_free_ char *dump = NULL, *runtime = NULL;
	int r = containerd_dump(ctx->host, h->program, config, &dump, err);
	const char *other;

	if (r < 0)
		return r;
	runtime = containerd_dump_runtime(dump, h->name);
	other = containerd_dump_differs(dump, h->files.text, h->name);
	if (runtime && strcmp(runtime, h->runtime) == 0)
		return !other ? 0 : error_set(err, EBUSY, "with berth's drop-in, containerd would run the handler '%s' with "
					      "another %s: another file that it reads later sets it, remove it there", h->name,
					      other);
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
	const char *name = strrchr(h->files.drop_in, '/') + 1, *base = strrchr(pattern, '/') + 1;
	bool ours = !*placed && fnmatch(pattern, h->files.drop_in, FNM_PATHNAME | FNM_PERIOD) == 0;
	const char *ignored;
	_cleanup_fd_ int fd = -EBADF;
	int r = 0;

	if (!strchr(base, '*') || (base > pattern && memchr(pattern, '*', (size_t)(base - pattern))))
		return strcmp(pattern, h->files.drop_in) == 0 ? 0 : strv_add(ret, pattern);
	fd = host_open_parent(ctx->host, pattern, &ignored);
	if (fd >= 0)
		r = dir_names(fd, &names);
	if (r == 0 && ours)
		r = strv_add_new(&names, name);
	strv_sort(&names);
	strv_foreach (&names, i, one) {
		if (r < 0 || fnmatch(base, one, FNM_PERIOD) != 0)
			continue;
		if (strncmp(pattern, h->files.drop_in, (size_t)(base - pattern)) != 0 || strcmp(one, name) != 0)
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
	int r = handler_config_texts(ctx, &h->files, &now, &then, err);

	if (r == 0)
		r = containerd_config_read(strbuf_str(&then), then.len, h->files.config, &config, err);
	if (r < 0)
		return r;
	strv_foreach (&config.imports, i, pattern) {
		_cleanup_free_ char *whole = containerd_import_path(h->files.config, pattern);

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
		r = put_text(ctx, CANDIDATE_DROP_IN, h.files.text, err);
	if (r == 0)
		r = put_text(ctx, CANDIDATE, strbuf_str(&candidate), err);
	if (r == 0)
		r = check_dump(ctx, &h, CANDIDATE, err);
	(void)host_remove(ctx->host, CANDIDATE, &ignored);
	(void)host_remove(ctx->host, CANDIDATE_DROP_IN, &ignored);
	return r < 0 ? error_context(err, "with '%s' and its import in '%s'", h.files.drop_in, h.files.config) : 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	json_t *drop_in = NULL, *config = NULL;
	int r = file_state_capture(ctx->host, h.files.drop_in, &drop_in, err);

	if (r == 0)
		r = file_state_capture(ctx->host, h.files.config, &config, err);
	if (r < 0) {
		json_decref(drop_in);
		return r;
	}
	*ret_before = json_pack("{s:o, s:o}", "drop_in", drop_in, "config", config);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", h.files.drop_in);
}

/* As it was found, and containerd with it: what a node serves is worth more than what it could serve. */
static int take_back(struct change_context *ctx, const struct change *change, const struct handler *h,
		     const struct handler_attempt *attempt, const json_t *before, bool restarted, struct error *err)
{
	struct error again = ERROR_INIT, ignored = ERROR_INIT;

	(void)failures_add(ctx->host, change->kind, change->want, &ignored);
	(void)handler_files_put_back(ctx, &h->files, attempt, before, restarted, &again);
	return engine_take_back(ctx, &h->engine, restarted, &again, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	const struct handler h = handler_of(change->target, change->want);
	_cleanup_(handler_attempt_release) struct handler_attempt attempt = HANDLER_ATTEMPT_INIT;
	const struct unit_state *u;
	ssize_t pods = -1;
	int r = handler_files_write(ctx, &h.files, &attempt, err);

	fault_point("handler:files");
	if (r == 0 && !host_is_rooted(ctx->host)) {
		r = context_unit(ctx, h.engine.unit, &u, err);
		if (r == 0 && unit_is_active(u)) {
			r = check_dump(ctx, &h, h.files.config, err);
			if (r == 0)
				r = engine_bring(ctx, &h.engine, engine_has, &h, &pods, err);
			if (r < 0)
				return take_back(ctx, change, &h, &attempt, before, pods >= 0, err);
		}
	}
	if (r == 0)
		r = failures_forget(ctx->host, change->kind, err);
	if (r < 0)
		return r;
	*ret_after = json_pack("{s:I}", "containers", (json_int_t)(pods < 0 ? 0 : pods));
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", h.files.drop_in);
}

static int undo(struct change_context *ctx, const struct change_record *record, enum undo_outcome *ret,
		struct strbuf *why, struct error *err)
{
	const struct handler h = handler_of(record->target, record->want);
	bool rooted = host_is_rooted(ctx->host);
	int r = rooted ? 0 : engine_may_undo(ctx, record, err);
	size_t pods;

	*ret = UNDO_NOTHING;
	if (r == 0)
		r = handler_files_undo(ctx, &h.files, record->before, ret, why, err);
	fault_point("handler:undone");
	if (r < 0 || rooted || !engine_runs_ours(ctx, &h))
		return r;
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
