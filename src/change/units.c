/*
 * Units: enabled at boot, started, stopped for the time of a change.
 * want: {} for all. "stop" of Docker may have {"containers": true}: none may run on beneath it; of Sysbox {"replaced": true}:
 * another release takes its place. "start" may have {"again": true}: it is needed though the unit runs, which is stopped
 * before, "with" another one perhaps; {"stays": true}: a service of the host that was only down, so that an undo does not
 * stop it.
 */
#include "change/change.h"
#include "change/containers.h"
#include "change/masked.h"
#include "engine/docker.h"

static int state_of(struct change_context *ctx, const char *unit, const struct unit_state **ret,
		    struct error *err)
{
	int r = context_reload(ctx, err);

	return r < 0 ? r : context_unit(ctx, unit, ret, err);
}

static bool is_enabled(const struct unit_state *u)
{
	return unit_is(u->enabled, "enabled") || unit_is(u->enabled, "static") ||
	       unit_is(u->enabled, "generated") || unit_is(u->enabled, "enabled-runtime");
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, change->target, &u, err);

	if (r < 0)
		return r;
	*ret_before = json_pack("{s:b, s:b, s:s}", "active", unit_is_active(u), "enabled", is_enabled(u),
				"state", u->enabled ? u->enabled : "");
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

/*
 * Docker and its socket in one go: stopped alone, the socket takes a dockerd that requires it along
 * before its containers are noted, and left alone it would start Docker again at the first question.
 * `containers`: they stop first, each in its own time. dockerd gives all of them 15 seconds together and goes, and what
 * Sysbox has not put back by then (owners, mounts) stays so; with live-restore it would leave them running.
 */
static int stop_docker(struct change_context *ctx, bool containers, struct error *err)
{
	const char *units[] = { "docker.service", NULL, NULL };
	const struct unit_state *socket;
	int r = containers ? containers_note(ctx, err) : 0;

	if (r == 0 && containers)
		r = containers_stop(ctx, err);
	if (r == 0)
		r = state_of(ctx, "docker.socket", &socket, err);
	if (r < 0)
		return r;
	if (unit_is_active(socket))
		units[1] = "docker.socket";
	progress_activity(ctx->progress, "systemctl stop docker.service");
	r = systemd_verb(ctx->host, "stop", units, ctx->services_ms, err);
	context_changed(ctx);
	return r;
}

static int done(json_t **ret_after, struct error *err)
{
	*ret_after = json_object();
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note what was done");
}

/* Before anything is changed. An agent does not come here: its judge leaves such a change. */
static int refuse_masked(struct change_context *ctx, const struct change *change, struct error *err)
{
	const char *unit = change->kind == &change_start	   ? masked_part(ctx->host, change->target) :
			   masked_is(ctx->host, change->target) ? change->target :
								   NULL;

	if (!unit)
		return 0;
	return error_set(err, EPERM, "'%s' is masked: somebody decided that it must not start, and a sandbox host needs it; "
			 "systemctl unmask %s, then run again", unit, unit);
}

/* ---- enable ---- */

static int enable_holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, change->target, &u, err);

	return r < 0 ? r : is_enabled(u);
}

static int enable_describe(struct change_context *ctx, const struct change *change,
			   struct strbuf *out, struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "+ %s at every boot\n", change->target);
	return 0;
}

static int enable_apply(struct change_context *ctx, const struct change *change,
			const json_t *before, json_t **ret_after, struct error *err)
{
	int r = context_verb(ctx, "enable", change->target, err);

	(void)before;
	if (r == 0)
		r = context_enabled(ctx, change->target, err);
	return r < 0 ? r : done(ret_after, err);
}

static int enable_undo(struct change_context *ctx, const struct change_record *record,
		       enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, record->target, &u, err);

	(void)why;
	*ret = UNDO_NOTHING;
	if (r < 0 || json_get_bool(record->before, "enabled", false) ||
	    !unit_is(u->enabled, "enabled"))
		return r;
	*ret = UNDO_DONE;
	r = context_verb(ctx, "disable", record->target, err);
	/* Which makes systemd read all of them anew. */
	if (r == 0)
		strv_release(&ctx->enabled);
	return r;
}

const struct change_kind change_enable = {
	.name = "enable",
	.repeats = true,
	.holds = enable_holds,
	.describe = enable_describe,
	.prepare = refuse_masked,
	.capture = capture,
	.apply = enable_apply,
	.undo = enable_undo,
};

/* ---- start ---- */

static int start_holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, change->target, &u, err);

	return r < 0 ? r : unit_is_active(u) && !json_get_bool(change->want, "again", false);
}

static int start_describe(struct change_context *ctx, const struct change *change,
			  struct strbuf *out, struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "+ %s running\n", change->target);
	return 0;
}

/* systemd holds a socket whose path somebody removed, and nobody can reach: it is made anew with the daemon. */
static int drop_lost_socket(struct change_context *ctx, struct error *err)
{
	const struct unit_state *socket;
	int r = state_of(ctx, "docker.socket", &socket, err);

	if (r < 0 || !unit_is_active(socket) || host_exists(ctx->host, DOCKER_SOCKET))
		return r;
	return context_verb(ctx, "stop", "docker.socket", err);
}

static int start_apply(struct change_context *ctx, const struct change *change, const json_t *before,
		       json_t **ret_after, struct error *err)
{
	int r = strcmp(change->target, "docker.service") == 0 ? drop_lost_socket(ctx, err) : 0;

	(void)before;
	if (r == 0)
		r = context_verb(ctx, "start", change->target, err);
	/* Perhaps it had come down too often for systemd's taste: that is forgiven once. */
	if (r == -EPROTO && context_verb(ctx, "reset-failed", change->target, NULL) == 0) {
		error_clear(err);
		r = context_verb(ctx, "start", change->target, err);
	}
	if (r == 0 && strcmp(change->target, "docker.service") == 0)
		r = containers_resume(ctx, err);
	return r < 0 ? r : done(ret_after, err);
}

static int start_undo(struct change_context *ctx, const struct change_record *record,
		      enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, record->target, &u, err);

	(void)why;
	*ret = UNDO_NOTHING;
	if (r < 0 || json_get_bool(record->before, "active", false) ||
	    json_get_bool(record->want, "stays", false) || !unit_is_active(u))
		return r;
	*ret = UNDO_DONE;
	return strcmp(record->target, "docker.service") == 0 ?
		       stop_docker(ctx, true, err) :
		       context_verb(ctx, "stop", record->target, err);
}

const struct change_kind change_start = {
	.name = "start",
	.repeats = true,
	.holds = start_holds,
	.describe = start_describe,
	.prepare = refuse_masked,
	.capture = capture,
	.apply = start_apply,
	.undo = start_undo,
};

/* ---- stop ---- */

static int stop_holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, change->target, &u, err);

	return r < 0 ? r : !unit_is_active(u);
}

static int stop_describe(struct change_context *ctx, const struct change *change,
			 struct strbuf *out, struct error *err)
{
	(void)ctx;
	(void)err;
	strbuf_printf(out, "- %s running, until it is started again below\n", change->target);
	return 0;
}

static int stop_capture(struct change_context *ctx, const struct change *change,
			json_t **ret_before, struct error *err)
{
	static const struct {
		const char *unit, *key;
	} BESIDE[] = { { "docker.socket", "socket" }, { "sysbox.service", "sysbox" } };
	const struct unit_state *u;
	int r = capture(ctx, change, ret_before, err);

	if (strcmp(change->target, "docker.service") != 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(BESIDE); i++) {
		r = state_of(ctx, BESIDE[i].unit, &u, err);
		if (r == 0)
			(void)json_object_set_new(*ret_before, BESIDE[i].key, json_boolean(unit_is_active(u)));
	}
	return r;
}

static int stop_apply(struct change_context *ctx, const struct change *change, const json_t *before,
		      json_t **ret_after, struct error *err)
{
	int r = strcmp(change->target, "docker.service") == 0 ?
			stop_docker(ctx, json_get_bool(change->want, "containers", false), err) :
			context_verb(ctx, "stop", change->target, err);

	(void)before;
	return r < 0 ? r : done(ret_after, err);
}

/* Some of the containers that come back with Docker are sandboxes: the Sysbox that ran then comes first. */
static int start_sysbox(struct change_context *ctx, const json_t *before, struct error *err)
{
	const struct unit_state *u;
	int r = json_get_bool(before, "sysbox", false) ? state_of(ctx, "sysbox.service", &u, err) : -ENOENT;

	if (r < 0 || unit_is_active(u) || !unit_is(u->load, "loaded"))
		return r == -ENOENT ? 0 : r;
	return context_verb(ctx, "start", "sysbox.service", err);
}

static int stop_undo(struct change_context *ctx, const struct change_record *record,
		     enum undo_outcome *ret, struct strbuf *why, struct error *err)
{
	const struct unit_state *u;
	int r = state_of(ctx, record->target, &u, err);

	*ret = UNDO_NOTHING;
	if (r < 0 || !json_get_bool(record->before, "active", false) || unit_is_active(u))
		return r;
	if (!unit_is(u->load, "loaded")) {
		strbuf_printf(why, "%s was running before, but is not on this host any more",
			      record->target);
		*ret = UNDO_LEFT;
		return 0;
	}
	*ret = UNDO_DONE;
	r = start_sysbox(ctx, record->before, err);
	if (r == 0 && json_get_bool(record->before, "socket", false))
		r = context_verb(ctx, "start", "docker.socket", err);
	if (r == 0)
		r = context_verb(ctx, "start", record->target, err);
	if (r == 0 && strcmp(record->target, "docker.service") == 0)
		r = containers_resume(ctx, err);
	return r;
}

const struct change_kind change_stop = {
	.name = "stop",
	.repeats = true,
	.holds = stop_holds,
	.describe = stop_describe,
	.capture = stop_capture,
	.apply = stop_apply,
	.undo = stop_undo,
};
