/* Everything enabled at boot and started in order: pool, Sysbox, Docker; readiness by an answer. */
#include "change/containers.h"
#include "change/masked.h"
#include "engine/containerd.h"
#include "engine/docker.h"
#include "step/layout.h"
#include "step/sandbox.h"
#include "step/table.h"

/* In the order of their start. */
static const struct service {
	const char *unit;
	const char *with;  /* another unit that it stops with; NULL: none */
	const char *shown; /* in `berth status`, or NULL */
	bool of_docker;
} SERVICES[] = {
	{ SYSBOX_SERVICE, NULL, "sysbox", false },
	{ STASH_SERVICE, SYSBOX_SERVICE, NULL, false },
	{ "docker.service", NULL, "docker", true },
};

static bool is_wanted(const struct service *service, const struct spec *spec)
{
	return !service->of_docker || spec_has_docker(spec);
}

/* Said before anything is downloaded; an agent leaves such a unit instead. */
static int check_masks(struct step_context *ctx, struct report *report, struct error *err)
{
	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(SERVICES); i++) {
		const char *masked =
			is_wanted(&SERVICES[i], ctx->spec) ? masked_part(ctx->host, SERVICES[i].unit) : NULL;
		char remedy[128];

		if (!masked)
			continue;
		(void)snprintf(remedy, sizeof(remedy), "systemctl unmask %s, then run again", masked);
		report_add(report, "services.masked", CHECK_FAIL, remedy,
			   "%s is masked: somebody decided that it must not start, and a sandbox host needs it", masked);
	}
	return 0;
}

/*
 * docker.service wants it, which starts it with Docker and not again: a dockerd that goes on without it starts no
 * container. Not one of a node's kubelet, not one that somebody has disabled or masked, and not beside one that is
 * dockerd's own child: what runs now would be lost to the next dockerd, which finds this one.
 */
static int plan_containerd(struct step_context *ctx, struct plan *plan, struct error *err)
{
	const struct unit_state *u;
	int r;

	if (!spec_has_docker(ctx->spec))
		return 0;
	r = context_unit(&ctx->change, "containerd.service", &u, err);
	if (r < 0)
		return r;
	if (!unit_is(u->load, "loaded") || !unit_is(u->enabled, "enabled") || unit_is_active(u) ||
	    host_exists(ctx->host, DOCKERS_OWN_CONTAINERD) || context_pods_use(&ctx->change, CONTAINERD_SOCKET))
		return 0;
	return plan_add(plan, &ctx->change, &change_start, "containerd.service", json_pack("{s:b}", "stays", 1), NULL,
			"Docker's containerd", err);
}

/* A stop that is planned above makes a start needed though it runs now. */
static json_t *start_want(const struct plan *plan, const struct service *service)
{
	if (plan_find(plan, &change_stop, service->unit))
		return json_pack("{s:b}", "again", 1);
	if (service->with && plan_find(plan, &change_stop, service->with))
		return json_pack("{s:b, s:s}", "again", 1, "with", service->with);
	return json_object();
}

static int plan_services(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = plan_containerd(ctx, plan, err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(SERVICES); i++) {
		const char *unit = SERVICES[i].unit;

		if (!is_wanted(&SERVICES[i], ctx->spec))
			continue;
		r = plan_add(plan, &ctx->change, &change_enable, unit, json_object(), NULL, NULL, err);
		if (r >= 0)
			r = plan_add(plan, &ctx->change, &change_start, unit, start_want(plan, &SERVICES[i]), NULL, NULL,
				     err);
	}
	return r;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(SERVICES); i++) {
		const struct unit_state *u;
		int r;

		if (!SERVICES[i].shown || !is_wanted(&SERVICES[i], ctx->spec))
			continue;
		r = context_unit(&ctx->change, SERVICES[i].unit, &u, err);
		if (r < 0)
			return r;
		strbuf_printf(ret, "%s%s %s", ret->len ? ", " : "", SERVICES[i].shown, u->active ? u->active : "unknown");
		if (!unit_is(u->active, "active"))
			*ret_verdict = CHECK_WARN;
	}
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	return spec_has_docker(ctx->spec) ? sandbox_verify(ctx, report, err) : 0;
}

/* Those that ran before a stop of ours, when a boot has brought Docker back before we could. */
static int settle(struct step_context *ctx, struct error *err)
{
	return containers_resume(&ctx->change, err);
}

const struct step step_services = {
	.name = "services",
	.summary = "started in order, enabled at boot",
	.probe = probe,
	.check = check_masks,
	.plan = plan_services,
	.verify = verify,
	.settle = settle,
};
