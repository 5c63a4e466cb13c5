#include "change/docker_ready.h"
#include "engine/docker.h"
#include "step/layout.h"
#include "step/step.h"

static const char *const DOCKER_PACKAGES[] = { "docker-ce", "docker.io", "moby-engine", "docker" };

void facts_release(struct facts *facts)
{
	package_db_release(&facts->packages);
	mount_table_release(&facts->mounts);
	free(facts->docker_package);
	json_decref(facts->docker_info);
	*facts = (struct facts){ 0 };
}

/* A Docker on its way up (a machine that just booted) is waited for: its state now would mislead. */
static int docker_unit(struct step_context *ctx, const struct unit_state **ret, struct error *err)
{
	struct error ignored = ERROR_INIT;
	int r = context_unit(&ctx->change, "docker.service", ret, err);

	if (r < 0 || !unit_is((*ret)->active, "activating"))
		return r;
	progress_activity(ctx->change.progress, "waiting for Docker to start");
	(void)docker_ready_wait(&ctx->change, &ignored);
	context_changed(&ctx->change);
	return context_unit(&ctx->change, "docker.service", ret, err);
}

static int read_docker(struct step_context *ctx, struct facts *facts, struct error *err)
{
	_cleanup_(docker_release) struct docker docker = DOCKER_INIT;
	_cleanup_free_ char *dockerd = host_find_program(ctx->host, "dockerd");
	const struct unit_state *u;
	struct error quiet = ERROR_INIT;
	const char *found = NULL;
	bool half = false;
	int r;

	for (size_t i = 0; !found && i < ARRAY_SIZE(DOCKER_PACKAGES); i++) {
		const struct package *p = package_db_find(&facts->packages, DOCKER_PACKAGES[i]);

		if (p && p->installed)
			found = DOCKER_PACKAGES[i];
		half = half || (p && p->broken);
	}
	/* Unpacked by a transaction that was cut off is not "there". */
	if (!found && dockerd && !half)
		found = "dockerd";
	facts->docker_package = found ? strdup(found) : NULL;
	/* Without systemd there are no units to ask for: the preflight checks say so. */
	if (!host_exists(ctx->host, "/run/systemd/system"))
		return 0;
	r = docker_unit(ctx, &u, err);
	if (r < 0)
		return r;
	/* Asking the socket of a stopped Docker would start it. */
	facts->docker_running = unit_is(u->active, "active");
	if (facts->docker_running && docker_open(ctx->host, &docker, &quiet) == 0)
		(void)docker_info(&docker, 20000, &facts->docker_info, &quiet);
	return 0;
}

int facts_read(struct step_context *ctx, struct error *err)
{
	struct facts facts = { 0 };
	const struct mount_entry *pool;
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = host_read(ctx->host, "/proc/self/mountinfo", 16 << 20, &text, &len);

	if (r < 0 && !(r == -ENOENT && host_is_rooted(ctx->host)))
		return error_errno(err, r, "read the mount table");
	r = mount_table_parse(text ? text : "", len, &facts.mounts, err);
	if (r == 0)
		r = package_db_read(ctx->host, ctx->os.packages, &facts.packages, err);
	if (r == 0)
		r = read_docker(ctx, &facts, err);
	if (r < 0) {
		facts_release(&facts);
		return r;
	}
	pool = mount_table_at(&facts.mounts, POOL_DIR);
	facts.pool_mounted = pool && strcmp(pool->type, "xfs") == 0;
	facts_release(&ctx->facts);
	ctx->facts = facts;
	return 0;
}
