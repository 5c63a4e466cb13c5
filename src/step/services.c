/* Everything enabled at boot and started in order: pool, Sysbox, Docker; readiness by an answer. */
#include "change/containers.h"
#include "engine/docker.h"
#include "step/layout.h"
#include "step/sandbox.h"
#include "step/table.h"

static int plan_services(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const char *const IN_ORDER[] = { "sysbox.service", STASH_SERVICE, "docker.service" };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(IN_ORDER); i++) {
		r = plan_add(plan, &ctx->change, &change_enable, IN_ORDER[i], json_object(), NULL, NULL,
			     err);
		/* A stop that is planned above makes a start needed though it runs now. */
		if (r >= 0)
			r = plan_add(plan, &ctx->change, &change_start, IN_ORDER[i],
				     plan_find(plan, &change_stop, IN_ORDER[i]) ?
					     json_pack("{s:b}", "again", 1) :
					     json_object(),
				     NULL, NULL, err);
	}
	return r;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	const struct unit_state *docker, *sysbox;
	int r = context_unit(&ctx->change, "docker.service", &docker, err);
	const char *docker_now, *sysbox_now;

	if (r < 0)
		return r;
	docker_now = docker->active ? docker->active : "unknown";
	r = context_unit(&ctx->change, "sysbox.service", &sysbox, err);
	if (r < 0)
		return r;
	sysbox_now = sysbox->active ? sysbox->active : "unknown";
	strbuf_printf(ret, "docker %s, sysbox %s", docker_now, sysbox_now);
	if (!unit_is(docker_now, "active") || !unit_is(sysbox_now, "active"))
		*ret_verdict = CHECK_WARN;
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	return sandbox_verify(ctx, report, err);
}

/* Those that ran before a stop of ours, when a boot has brought Docker back before we could. */
static int settle(struct step_context *ctx, struct error *err)
{
	return containers_resume(&ctx->change, err);
}

const struct step step_services = {
	.name = "services",
	.summary = "started in order, enabled at boot; a real sandbox runs",
	.probe = probe,
	.plan = plan_services,
	.verify = verify,
	.settle = settle,
};
