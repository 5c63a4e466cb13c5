#include "change/triggers.h"

#include "change/apt.h"
#include "host/packages.h"

/* In a process of its own: what it would say has no place among what this one says. */
static int run_silently(void *userdata, struct error *err)
{
	struct change_context ctx = *(struct change_context *)userdata;

	ctx.progress = NULL;
	return apt_configure_pending(&ctx, err);
}

void triggers_start(struct change_context *ctx)
{
	struct error ignored = ERROR_INIT;

	/* Of a folder the programs are a test's, which runs one at a time. */
	if (ctx->os->packages == PACKAGES_APT && !ctx->triggers.pid && !host_is_rooted(ctx->host))
		(void)beside_start(run_silently, ctx, &ctx->triggers, &ignored);
}

static int pending(struct change_context *ctx, struct error *err)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	int r = ctx->os->packages == PACKAGES_APT ?
			package_db_read(ctx->host, PACKAGES_APT, &db, err) :
			0;

	for (size_t i = 0; r == 0 && i < db.len; i++)
		r = db.items[i].triggers || db.items[i].broken;
	return r;
}

static void say_waiting(const struct change_context *ctx)
{
	if (ctx->triggers.pid)
		progress_activity(ctx->progress, "waiting for triggers of the packages");
}

void triggers_wait(struct change_context *ctx)
{
	say_waiting(ctx);
	beside_release(&ctx->triggers);
}

int triggers_finish(struct change_context *ctx, struct error *err)
{
	int r;

	say_waiting(ctx);
	r = beside_finish(&ctx->triggers, err);
	if (r == 0)
		r = pending(ctx, err);
	return r > 0 ? apt_configure_pending(ctx, err) : r;
}
