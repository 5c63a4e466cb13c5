/* The agent as a service of this host, where it was asked for: `berth agent --install-unit`. */
#include "engine/http.h"
#include "step/layout.h"
#include "step/table.h"
#include "step/unit_plan.h"

#define ANSWER_MS 3000

static const char SERVICE[] =
	"# Written by berth: the host is kept a sandbox host.\n"
	"[Unit]\n"
	"Description=berth agent: keeps this machine a sandbox host\n"
	"Documentation=man:berth(8)\n"
	"After=" POOL_MOUNT " sysbox.service docker.service\n"
	"\n"
	"[Service]\n"
	"Type=exec\n"
	"ExecStart=" BERTH_PROGRAM " agent\n"
	"ExecReload=/bin/kill -HUP $MAINPID\n"
	"Restart=always\n"
	"RestartSec=2\n"
	"# A repair that it has begun is finished by the one at work.\n"
	"KillMode=process\n"
	"TimeoutStopSec=5\n"
	"OOMScoreAdjust=-900\n"
	"\n"
	"[Install]\n"
	"WantedBy=multi-user.target\n";

static int plan_agent(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const char PATH[] = UNIT_DIR "/" AGENT_SERVICE;
	int r;

	if (!ctx->wants_agent && !host_exists(ctx->host, PATH))
		return 0;
	r = plan_file(plan, &ctx->change, PATH, SERVICE, 0644, NULL, err);
	/* One that was stopped stays so: perhaps the host has an agent in a pod now. */
	if (r < 0 || !ctx->wants_agent)
		return r;
	return plan_running(ctx, plan, AGENT_SERVICE, err);
}

/* What the agent itself says, be it a service or a pod: its answer to whoever asks whether it is ready. */
static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	_cleanup_(http_response_release) struct http_response response = HTTP_RESPONSE_INIT;
	_cleanup_free_ char *url = xasprintf("http://%s/readyz", ctx->spec->agent.listen);
	struct http_request request = { .url = url, .direct = true, .timeout_ms = ANSWER_MS };
	int r = url && !host_is_rooted(ctx->host) ? http_request(&request, &response, NULL) : -ENOENT;

	(void)err;
	if (r < 0 && !host_exists(ctx->host, UNIT_DIR "/" AGENT_SERVICE)) {
		strbuf_printf(ret, "none answers at %s", ctx->spec->agent.listen);
		*ret_verdict = CHECK_SKIP;
		return 0;
	}
	if (r < 0 || response.status != 200)
		*ret_verdict = CHECK_WARN;
	if (r < 0)
		strbuf_puts(ret, AGENT_SERVICE " does not answer");
	/* Its reasons, a line each. */
	for (const char *p = strbuf_str(&response.body); r == 0 && *p; p += strcspn(p, "\n"), p += *p != '\0')
		strbuf_printf(ret, "%s%.*s", ret->len ? "; " : "", (int)strcspn(p, "\n"), p);
	return 0;
}

const struct step step_agent = {
	.name = "agent",
	.summary = "the agent keeps it so, where it was asked for",
	.probe = probe,
	.plan = plan_agent,
};
