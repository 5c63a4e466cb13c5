#include "change/change.h"

/* Asked for together: a process start costs more than all of them. */
static const char *const UNITS[] = {
	"docker.service",	  "docker.socket",	  "containerd.service", "sysbox.service",
	"sysbox-mgr.service",	  "sysbox-fs.service",	  "berth-pool.service",
	"var-lib-berth-pool.mount", "var-lib-docker.mount", "var-lib-sysbox.mount",
	"berth-prune.timer",	  "kubelet.service",	  "snap.docker.dockerd.service",
	NULL,
};

void change_context_release(struct change_context *ctx)
{
	beside_release(&ctx->triggers);
	unit_states_release(&ctx->units);
}

void context_changed(struct change_context *ctx)
{
	unit_states_release(&ctx->units);
}

int context_unit(struct change_context *ctx, const char *name, const struct unit_state **ret,
		 struct error *err)
{
	struct unit_states one = { 0 };
	struct unit_state *items;
	int r = 0;

	if (!ctx->units.len)
		r = systemd_show(ctx->host, UNITS, &ctx->units, err);
	if (r < 0)
		return r;
	*ret = unit_states_find(&ctx->units, name);
	if (*ret)
		return 0;
	r = systemd_show_one(ctx->host, name, &one, err);
	if (r < 0)
		return r;
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
	if (r == 0)
		ctx->reload_needed = false;
	context_changed(ctx);
	return r;
}
