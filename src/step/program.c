/* berth itself on the node, where the units that attach the pool at boot find it. */
#include "step/layout.h"
#include "step/table.h"

static int plan_program(struct step_context *ctx, struct plan *plan, struct error *err)
{
	struct stat st;

	if (stat(ctx->self, &st) < 0)
		return error_errno(err, errno, "look at berth's own program '%s'", ctx->self);
	return plan_add(plan, &ctx->change, &change_copy, BERTH_PROGRAM,
			json_pack("{s:s, s:s, s:I, s:i}", "source", ctx->self, "version",
				  BERTH_VERSION, "size", (json_int_t)st.st_size, "mode", 0755),
			NULL, "the pool's unit runs it at boot", err);
}

const struct step step_program = {
	.name = "program",
	.summary = "berth where the node's units find it",
	.plan = plan_program,
};
