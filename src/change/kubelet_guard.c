#include "change/kubelet_guard.h"

#define TIMER "berth-kubelet-guard"
#define AFTER "10min" /* more than ending what is on an engine takes */

void kubelet_guard_drop(struct change_context *ctx)
{
	const char *const argv[] = { "systemctl", "stop", TIMER ".timer", NULL };
	struct spawn_options options = { .timeout_ms = 30000 };

	(void)host_run(ctx->host, argv, &options, NULL, NULL);
}

int kubelet_guard_begin(struct change_context *ctx, const char *unit, struct kubelet_guard *ret, struct error *err)
{
	static const int HELD[] = { SIGINT, SIGTERM, SIGHUP };
	const char *const argv[] = { "systemd-run", "--quiet", "--unit=" TIMER, "--on-active=" AFTER,
				     "--timer-property=AccuracySec=1s", "systemctl", "--no-block", "start", unit, NULL };
	struct spawn_options options = { .timeout_ms = 30000 };
	sigset_t held;
	int r;

	/* Of one who was killed. */
	kubelet_guard_drop(ctx);
	r = host_check(ctx->host, argv, &options, NULL, err);
	if (r < 0)
		return error_context(err, "see to it that %s is started again in any case", unit);
	(void)sigemptyset(&held);
	for (size_t i = 0; i < ARRAY_SIZE(HELD); i++)
		(void)sigaddset(&held, HELD[i]);
	(void)sigprocmask(SIG_BLOCK, &held, &ret->before);
	return 0;
}

void kubelet_guard_end(struct change_context *ctx, const struct kubelet_guard *guard)
{
	kubelet_guard_drop(ctx);
	(void)sigprocmask(SIG_SETMASK, &guard->before, NULL);
}
