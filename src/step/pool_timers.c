#include "step/pool_timers.h"

#include "step/layout.h"
#include "step/unit_plan.h"

/*
 * Both run only while the pool is mounted, and go with it: a trim under way would keep it busy.
 * Level and maximum together leave out systemd's own two lines a minute about a unit that had
 * nothing to do.
 */
#define SERVICE(does, name, verb)                     \
	"# Written by berth: " does "\n"              \
	"[Unit]\n"                                    \
	"Description=" name "\n"                      \
	"Documentation=man:berth(8)\n"                \
	"After=" POOL_MOUNT "\n"                      \
	"PartOf=" POOL_MOUNT "\n"                     \
	"ConditionPathIsMountPoint=" POOL_DIR "\n"    \
	"\n"                                          \
	"[Service]\n"                                 \
	"Type=oneshot\n"                              \
	"ExecStart=" BERTH_PROGRAM " pool " verb "\n" \
	"SyslogLevel=notice\n"                        \
	"LogLevelMax=notice\n"

#define TIMER(name, when)              \
	"# Written by berth.\n"        \
	"[Unit]\n"                     \
	"Description=" name "\n"       \
	"Documentation=man:berth(8)\n" \
	"\n"                           \
	"[Timer]\n" when "\n"          \
	"[Install]\n"                  \
	"WantedBy=timers.target\n"

/* 75: an installation is at work; the next minute is soon enough. */
static const char AUTO_SERVICE[] =
	SERVICE("the pool grows before it is full, and the disk below it is watched.",
		"berth pool growth", "auto") "SuccessExitStatus=75\n"
					     "TimeoutStartSec=10min\n";

static const char AUTO_TIMER[] = TIMER("berth pool growth, every minute", "OnCalendar=minutely\n"
									  "AccuracySec=10s\n");

static const char TRIM_SERVICE[] =
	SERVICE("the pool's free space goes back to the disk below.", "berth pool trim",
		"scheduled-trim") "Nice=10\n"
				  "IOSchedulingClass=idle\n"
				  "TimeoutStartSec=6h\n";

/* Not Persistent=: its stamp would outlive an uninstallation. */
static const char TRIM_TIMER[] = TIMER("berth pool trim, every week", "OnCalendar=weekly\n"
								      "RandomizedDelaySec=6h\n"
								      "AccuracySec=10min\n");

int pool_timers_plan(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const struct {
		const char *path, *text;
	} FILES[] = {
		{ UNIT_DIR "/" POOL_AUTO ".service", AUTO_SERVICE },
		{ UNIT_DIR "/" POOL_AUTO ".timer", AUTO_TIMER },
		{ UNIT_DIR "/" POOL_TRIM ".service", TRIM_SERVICE },
		{ UNIT_DIR "/" POOL_TRIM ".timer", TRIM_TIMER },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(FILES); i++)
		r = plan_file(plan, &ctx->change, FILES[i].path, FILES[i].text, 0644, NULL, err);
	if (r >= 0)
		r = plan_running(ctx, plan, POOL_AUTO ".timer", err);
	/* One that was enabled before it was switched off stays, and does nothing. */
	if (r >= 0 && ctx->spec->pool.trim)
		r = plan_running(ctx, plan, POOL_TRIM ".timer", err);
	return r;
}
