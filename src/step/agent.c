/* The agent as a service of this host, where it was asked for: `berth agent --install-unit`. */
#include "step/layout.h"
#include "step/table.h"
#include "step/unit_plan.h"

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

const struct step step_agent = {
	.name = "agent",
	.summary = "the agent keeps it so, where it was asked for",
	.plan = plan_agent,
};
