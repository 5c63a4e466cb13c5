/*
 * A runtime handler of the node's CRI-O: a drop-in, CRI-O restarted once under its pods, and the handler seen in what
 * the running one says of itself. One change, as that of containerd (handler.c) is one.
 *
 * The text is made when it is written: where the monitor is only CRI-O knows, and its package may be installed by the
 * same run. Whether the CRI-O that runs has it is asked of itself, by values: a handler of that name may be another's.
 *
 * target: the drop-in's path. want: {"drop_ins", "program" (NULL: not there yet), "unit", "socket", "handler",
 * "runtime"}; before: file_state_capture() of the drop-in; after: {"sha256"} of what was written.
 */
#include <fcntl.h>

#include "base/diff.h"
#include "base/fault.h"
#include "change/engine_restart.h"
#include "change/failures.h"
#include "change/file_state.h"
#include "change/tree.h"
#include "engine/crio.h"
#include "sys/dir_names.h"

#define CANDIDATE CACHE_DIR "/crio-candidate.d"

struct handler {
	const char *drop_in, *drop_ins, *name, *runtime;
	char *program; /* NULL: there is no CRI-O yet */
	char *text;
	struct cri_engine engine;
};

static void handler_release(struct handler *h)
{
	free(h->program);
	free(h->text);
}

static int handler_read(struct change_context *ctx, const char *target, const json_t *want, struct handler *ret,
			struct error *err)
{
	_cleanup_free_ char *dump = NULL;
	struct error ignored = ERROR_INIT;
	const char *program = json_get_string(want, "program");

	*ret = (struct handler){
		.drop_in = target,
		.drop_ins = json_get_string(want, "drop_ins"),
		.name = json_get_string(want, "handler"),
		.runtime = json_get_string(want, "runtime"),
		.engine = { json_get_string(want, "unit"), json_get_string(want, "socket") },
	};
	ret->program = program ? strdup(program) : host_find_program(ctx->host, CRIO_PROGRAM);
	if (program && !ret->program)
		return error_errno(err, ENOMEM, "look at '%s'", target);
	/* One that does not like its own files tells why when they are judged, not here. */
	if (ret->program)
		(void)crio_dump(ctx->host, ret->program, ret->drop_ins, ret->drop_ins, &dump, &ignored);
	ret->text = crio_drop_in(ret->name, ret->runtime, dump);
	return ret->text ? 0 : error_errno(err, ENOMEM, "make the text of '%s'", target);
}

static int running_config(struct change_context *ctx, const struct cri_engine *engine, char **ret)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, engine->socket);

	return socket ? crio_running_config(socket, ret, NULL) : -ENOMEM;
}

/* Does the CRI-O that runs have all that the drop-in says? One that tells no settings is believed the name. */
static bool engine_has(struct change_context *ctx, const void *userdata)
{
	const struct handler *h = userdata;
	_cleanup_free_ char *config = NULL;

	if (!engine_tells_of(ctx, &h->engine, h->name))
		return false;
	return running_config(ctx, &h->engine, &config) < 0 || crio_has_drop_in(config, h->text, h->name);
}

/* Whatever else it says of the handler: while that is ours, it is to be taken from it. */
static bool engine_runs_ours(struct change_context *ctx, const struct handler *h)
{
	_cleanup_free_ char *config = NULL, *runtime = NULL;

	if (!engine_tells_of(ctx, &h->engine, h->name))
		return false;
	if (running_config(ctx, &h->engine, &config) < 0)
		return true;
	runtime = crio_dump_runtime(config, h->name);
	return runtime && strcmp(runtime, h->runtime) == 0;
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(handler_release) struct handler h = { 0 };
	const struct unit_state *u;
	int r = handler_read(ctx, change->target, change->want, &h, err);

	if (r == 0)
		r = file_state_read(ctx->host, h.drop_in, &now, err);
	if (r < 0 || !file_state_is(&now, h.text, strlen(h.text)) || !h.program)
		return r;
	if (host_is_rooted(ctx->host))
		return 1;
	r = context_unit(ctx, h.engine.unit, &u, err);
	return r < 0 ? r : !unit_is_active(u) || engine_has(ctx, &h);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(handler_release) struct handler h = { 0 };
	int r = handler_read(ctx, change->target, change->want, &h, err);

	if (r == 0)
		r = file_state_read(ctx->host, h.drop_in, &now, err);
	if (r < 0)
		return r;
	diff_lines(now.data ? now.data : "", now.len, h.text, strlen(h.text), 2, out);
	strbuf_printf(out, h.program ? "~ %s restarted once, where it runs; its pods go on\n" :
				       "  with the monitor of %s's default handler, once it is there\n", h.engine.unit);
	return 0;
}

static int copy_file(struct change_context *ctx, const char *from, const char *to, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = host_read(ctx->host, from, FILE_CAP_DEFAULT, &text, &len);

	return r < 0 ? error_errno(err, r, "CRI-O's settings: read '%s'", from) :
		       host_write(ctx->host, to, text, len, &attrs, err);
}

/* All files of a folder and of those in it, but for one of that path. */
static int copy_folder(struct change_context *ctx, const char *from, const char *to, const char *less, struct error *err)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	_cleanup_fd_ int fd = host_open(ctx->host, from, O_RDONLY | O_DIRECTORY, 0);
	int r = host_mkdirs(ctx->host, to, 0700, NULL, err);

	if (r < 0 || fd == -ENOENT)
		return r;
	r = fd < 0 ? fd : dir_names(fd, &names);
	if (r < 0)
		return error_errno(err, r, "CRI-O's settings: look into '%s'", from);
	strv_foreach (&names, i, name) {
		_cleanup_free_ char *path = xasprintf("%s/%s", from, name), *copy = xasprintf("%s/%s", to, name);
		struct stat st;

		if (r < 0 || (path && strcmp(path, less) == 0))
			continue;
		r = path && copy ? host_stat(ctx->host, path, &st, false) : -ENOMEM;
		if (r < 0)
			return error_errno(err, r, "CRI-O's settings: look at '%s'", from);
		r = S_ISDIR(st.st_mode) ? copy_folder(ctx, path, copy, less, err) : copy_file(ctx, path, copy, err);
	}
	return r;
}

/* The folder as it will be. */
static int make_candidate(struct change_context *ctx, const struct handler *h, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_free_ char *path = xasprintf(CANDIDATE "%s", strrchr(h->drop_in, '/'));
	int r = path ? tree_remove(ctx->host, CANDIDATE, err) : -ENOMEM;

	if (r == 0)
		r = copy_folder(ctx, h->drop_ins, CANDIDATE, h->drop_in, err);
	return r < 0 ? r : host_write(ctx->host, path, h->text, strlen(h->text), &attrs, err);
}

static int check_dump(struct change_context *ctx, const struct handler *h, const char *drop_ins, struct error *err)
{
	_cleanup_free_ char *dump = NULL, *runtime = NULL;
	int r = crio_dump(ctx->host, h->program, drop_ins, h->drop_ins, &dump, err);
	bool any;

	if (r < 0)
		return r;
	runtime = crio_dump_runtime(dump, h->name);
	if (runtime && strcmp(runtime, h->runtime) == 0)
		return 0;
	any = runtime && *runtime;
	return error_set(err, EBUSY, "with berth's drop-in, CRI-O would run the handler '%s' by %s%.200s%s, not by %s: a file of "
			 "'%s' that it reads later names the handler, remove it there", h->name, any ? "'" : "",
			 any ? runtime : "nothing", any ? "'" : "", h->runtime, h->drop_ins);
}

/* The settings as they will be, judged by the same program before anything is touched. */
static int prepare(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(handler_release) struct handler h = { 0 };
	struct error ignored = ERROR_INIT;
	int r = handler_read(ctx, change->target, change->want, &h, err);

	/* Where CRI-O itself is yet to be installed they are judged before it starts. */
	if (r < 0 || !h.program)
		return r;
	r = make_candidate(ctx, &h, err);
	if (r == 0)
		r = check_dump(ctx, &h, CANDIDATE, err);
	(void)tree_remove(ctx->host, CANDIDATE, &ignored);
	return r < 0 ? error_context(err, "with '%s'", h.drop_in) : 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before, struct error *err)
{
	return file_state_capture(ctx->host, change->target, ret_before, err);
}

/*
 * What a node serves is worth more than what it could serve. `found`: by this attempt, as `before` may be of long ago. What
 * was ours already goes where CRI-O was restarted into it: an attempt may have been cut off.
 */
static int take_back(struct change_context *ctx, const struct change *change, const struct handler *h,
		     const struct file_state *found, const json_t *before, bool restarted, struct error *err)
{
	struct error again = ERROR_INIT, ignored = ERROR_INIT;

	(void)failures_add(ctx->host, change->kind, change->want, &ignored);
	if (!file_state_is(found, h->text, strlen(h->text)))
		(void)file_state_put_back(ctx, h->drop_in, found, before, &again);
	else if (restarted)
		(void)file_state_restore(ctx, h->drop_in, before, &again);
	return engine_take_back(ctx, &h->engine, restarted, &again, err);
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before, json_t **ret_after,
		 struct error *err)
{
	_cleanup_(handler_release) struct handler h = { 0 };
	_cleanup_(file_state_release) struct file_state found = FILE_STATE_INIT;
	const struct file_attrs attrs = { .mode = 0644 };
	const struct unit_state *u = NULL;
	ssize_t pods = -1;
	int r = handler_read(ctx, change->target, change->want, &h, err);

	if (r == 0 && !host_is_rooted(ctx->host))
		r = context_unit(ctx, h.engine.unit, &u, err);
	if (r == 0)
		r = file_state_read(ctx->host, h.drop_in, &found, err);
	if (r == 0)
		r = file_state_put(ctx, h.drop_in, h.text, strlen(h.text), &attrs, ret_after, err);
	fault_point("crio-handler:file");
	if (r < 0)
		return r;
	r = h.program ? check_dump(ctx, &h, h.drop_ins, err) : 0;
	if (r == 0 && u && unit_is_active(u))
		r = engine_bring(ctx, &h.engine, engine_has, &h, &pods, err);
	return r < 0 ? take_back(ctx, change, &h, &found, before, pods >= 0, err) :
		       failures_forget(ctx->host, change->kind, err);
}

/* The CRI-O that runs without what was taken away; one that would not start again is left running. */
static int restart_without(struct change_context *ctx, const struct handler *h, struct error *err)
{
	_cleanup_free_ char *dump = NULL;
	size_t pods;
	int r = h->program ? crio_dump(ctx->host, h->program, h->drop_ins, h->drop_ins, &dump, err) : 0;

	if (r < 0)
		return error_context(err, "%s is not restarted", h->engine.unit);
	progress_activityf(ctx->progress, "restarting %s", h->engine.unit);
	return engine_restart(ctx, &h->engine, &pods, err);
}

static int undo(struct change_context *ctx, const struct change_record *record, enum undo_outcome *ret,
		struct strbuf *why, struct error *err)
{
	_cleanup_(handler_release) struct handler h = { 0 };
	bool rooted = host_is_rooted(ctx->host);
	const char *wrote = json_get_string(record->after, "sha256");
	char digest[DIGEST_HEX_MAX];
	int r = rooted ? 0 : engine_may_undo(ctx, record, err);

	if (r == 0)
		r = handler_read(ctx, record->target, record->want, &h, err);
	if (r < 0)
		return r;
	if (!wrote) {
		digest_hex(h.text, strlen(h.text), digest);
		wrote = digest;
	}
	r = file_state_undo(ctx, record, wrote, ret, why, err);
	fault_point("crio-handler:undone");
	if (r < 0 || rooted || *ret == UNDO_LEFT)
		return r;
	return engine_runs_ours(ctx, &h) ? restart_without(ctx, &h, err) : 0;
}

const struct change_kind change_crio_handler = {
	.name = "crio-handler",
	.repeats = true,
	.holds = holds,
	.describe = describe,
	.prepare = prepare,
	.capture = capture,
	.apply = apply,
	.may_undo = engine_may_undo,
	.undo = undo,
};
