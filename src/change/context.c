#include "change/change.h"

#include "host/kubelet.h"

/* Asked for together: a process start costs more than all of them. */
static const char *const UNITS[] = {
	"docker.service",	  "docker.socket",	   "containerd.service", "sysbox.service",
	"sysbox-mgr.service",	  "sysbox-fs.service",	   "berth-pool.service", "berth-stash.service",
	"berth-agent.service",
	"var-lib-berth-pool.mount", "var-lib-docker.mount", "var-lib-sysbox.mount",
	"berth-pool-auto.timer",  "berth-pool-trim.timer", "berth-reconcile.timer",
	"berth-prune.timer",	  "kubelet.service",	   "snap.docker.dockerd.service",
	NULL,
};

void change_context_release(struct change_context *ctx)
{
	beside_release(&ctx->triggers);
	unit_states_release(&ctx->units);
	strv_release(&ctx->enabled);
}

void context_changed(struct change_context *ctx)
{
	unit_states_release(&ctx->units);
}

/* A reload takes seconds on a busy machine, and only what systemctl shows depends on it. */
static int note_enabled(struct change_context *ctx, struct unit_state *u)
{
	if (!u->name || !strv_contains(&ctx->enabled, u->name) || unit_is(u->enabled, "enabled"))
		return 0;
	free(u->enabled);
	u->enabled = strdup("enabled");
	return u->enabled ? 0 : -ENOMEM;
}

static int show_all(struct change_context *ctx, struct error *err)
{
	int r = systemd_show(ctx->host, UNITS, &ctx->units, err);

	for (size_t i = 0; r == 0 && i < ctx->units.len; i++)
		r = note_enabled(ctx, &ctx->units.items[i]) < 0 ? error_errno(err, ENOMEM, "ask systemd") : 0;
	return r;
}

int context_unit(struct change_context *ctx, const char *name, const struct unit_state **ret,
		 struct error *err)
{
	struct unit_states one = { 0 };
	struct unit_state *items;
	int r = 0;

	if (!ctx->units.len)
		r = show_all(ctx, err);
	if (r < 0)
		return r;
	*ret = unit_states_find(&ctx->units, name);
	if (*ret)
		return 0;
	r = systemd_show_one(ctx->host, name, &one, err);
	if (r < 0)
		return r;
	if (note_enabled(ctx, &one.items[0]) < 0) {
		unit_states_release(&one);
		return error_errno(err, ENOMEM, "ask for '%s'", name);
	}
	items = reallocarray(ctx->units.items, ctx->units.len + 1, sizeof(*items));
	if (!items) {
		unit_states_release(&one);
		return error_errno(err, ENOMEM, "ask for '%s'", name);
	}
	ctx->units.items = items;
	items[ctx->units.len] = one.items[0];
	*ret = &items[ctx->units.len++];
	free(one.items);
	return 0;
}

int context_reload(struct change_context *ctx, struct error *err)
{
	int r;

	if (!ctx->reload_needed)
		return 0;
	r = systemd_verb(ctx->host, "daemon-reload", NULL, 90000, err);
	if (r == 0) {
		ctx->reload_needed = false;
		strv_release(&ctx->enabled);
	}
	context_changed(ctx);
	return r;
}

int context_enabled(struct change_context *ctx, const char *unit, struct error *err)
{
	context_changed(ctx);
	return strv_add_new(&ctx->enabled, unit) < 0 ? error_errno(err, ENOMEM, "enable '%s'", unit) : 0;
}

int context_end(struct change_context *ctx, struct error *err)
{
	if (ctx->enabled.len)
		ctx->reload_needed = true;
	return context_reload(ctx, err);
}

int context_verb(struct change_context *ctx, const char *verb, const char *unit, struct error *err)
{
	int r = context_reload(ctx, err);

	progress_activityf(ctx->progress, "systemctl %s %s", verb, unit);
	if (r == 0)
		r = systemd_verb_one(ctx->host, verb, unit, ctx->services_ms, err);
	context_changed(ctx);
	return r;
}

bool context_pods_use(struct change_context *ctx, const char *socket)
{
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	const struct unit_state *u;

	if (kubelet_read(ctx->host, &kubelet) > 0)
		return kubelet_uses(&kubelet, socket);
	return context_unit(ctx, "kubelet.service", &u, NULL) == 0 && unit_is(u->load, "loaded") && !unit_is(u->enabled, "disabled");
}
