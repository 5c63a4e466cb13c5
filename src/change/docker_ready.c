#include "change/docker_ready.h"

#include "engine/docker.h"

static bool is_coming(void *userdata)
{
	struct change_context *ctx = userdata;
	const struct unit_state *u;

	context_changed(ctx);
	return context_unit(ctx, "docker.service", &u, NULL) < 0 || unit_is_active(u) ||
	       unit_is(u->active, "activating");
}

int docker_ready_wait(struct change_context *ctx, struct error *err)
{
	_cleanup_free_ char *socket = host_real_path(ctx->host, DOCKER_SOCKET);

	if (!socket)
		return error_errno(err, ENOMEM, "wait for docker");
	return docker_wait_ready(socket, ctx->services_ms, is_coming, ctx, ctx->progress, err);
}
