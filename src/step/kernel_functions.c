#include "step/kernel_functions.h"

#include "sys/mount.h"
#include "sys/namespace.h"

/* On the file system that will hold them: that one must support it. */
static int try_idmapped(char reason[static 256])
{
	return mount_try_idmapped_overlay("/var/lib", reason);
}

static int try_xfs(char reason[static 256])
{
	return mount_try_fs("xfs", reason);
}

static int try_loop(char reason[static 256])
{
	if (access("/dev/loop-control", R_OK | W_OK) == 0)
		return 1;
	(void)snprintf(reason, 256, "/dev/loop-control: %s", strerror(errno));
	return 0;
}

static const struct {
	const char *id, *name, *what;
	int (*try)(char reason[static 256]);
	const char *module; /* may just not be loaded yet */
	bool required;
	const char *remedy;
} FUNCTIONS[] = {
	{ "kernel.userns", "userns", "user namespaces", namespace_try_userns, NULL, true,
	  "boot a kernel with CONFIG_USER_NS, and raise user.max_user_namespaces" },
	{ "kernel.overlay", "overlay", "overlay file systems", mount_try_overlay, "overlay", true,
	  "boot a kernel with the overlay module" },
	{ "kernel.idmapped-overlay", "idmapped-overlay", "overlay on ID-mapped mounts", try_idmapped, "overlay", false,
	  "use Linux 5.19 or newer: below it Sysbox copies each sandbox's root file system" },
	{ "kernel.fuse", "fuse", "FUSE", mount_try_fuse, "fuse", true, "boot a kernel with the fuse module" },
	{ "kernel.xfs", "xfs", "XFS", try_xfs, "xfs", true, "boot a kernel with the xfs module" },
	{ "kernel.loop", "loop", "loop devices", try_loop, "loop", true, "boot a kernel with the loop module" },
};

static void load(const struct step_context *ctx, const char *module)
{
	const char *const argv[] = { "modprobe", "-q", "--", module, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 30000 };

	(void)host_run(ctx->host, argv, &options, &result, NULL);
}

static int recorded(const struct step_context *ctx, size_t i)
{
	_cleanup_free_ char *key = xasprintf("try.%s", FUNCTIONS[i].name);
	_cleanup_free_ char *value = key ? host_fact(ctx->host, key) : NULL;

	return !value || strcmp(value, "yes") == 0;
}

/*
 * Loading a module to try it is no change worth a journal: the kernel step lists those that stay, and
 * an idle one goes with the next boot.
 */
static int try_function(const struct step_context *ctx, size_t i, char reason[static 256])
{
	int r;

	*reason = '\0';
	if (host_is_rooted(ctx->host))
		return recorded(ctx, i);
	r = FUNCTIONS[i].try(reason);
	if (r > 0 || !FUNCTIONS[i].module || geteuid() != 0)
		return r;
	load(ctx, FUNCTIONS[i].module);
	return FUNCTIONS[i].try(reason);
}

/*
 * The XFS that was just loaded has files of its quota's figures where it has quota at all (fs/xfs/xfs_stats.c); without
 * them, what the distribution says of its kernel. The pool's verification is the proof.
 */
static void check_xfs_quota(struct step_context *ctx, struct report *report)
{
	_cleanup_free_ char *path = xasprintf("/boot/config-%s", ctx->os.kernel);
	_cleanup_free_ char *config = NULL;

	if (host_exists(ctx->host, "/proc/fs/xfs/xqmstat"))
		report_add(report, "kernel.xfs-quota", CHECK_PASS, NULL, "tried and fine: XFS with quota");
	else if (!path || host_read(ctx->host, path, 4 << 20, &config, NULL) < 0)
		report_add(report, "kernel.xfs-quota", CHECK_SKIP, NULL,
			   "this kernel's configuration is not readable; project quota is proven when "
			   "the pool is mounted");
	else if (strstr(config, "\nCONFIG_XFS_QUOTA=y"))
		report_add(report, "kernel.xfs-quota", CHECK_PASS, NULL, "XFS project quota works");
	else
		report_add(report, "kernel.xfs-quota", CHECK_FAIL,
			   "boot a kernel with CONFIG_XFS_QUOTA (the distribution's own has it)",
			   "this kernel's XFS has no quota: no sandbox could have a disk budget");
}

void check_kernel_functions(struct step_context *ctx, struct report *report)
{
	char reason[256];

	for (size_t i = 0; i < ARRAY_SIZE(FUNCTIONS); i++) {
		int r = try_function(ctx, i, reason);

		if (r > 0)
			report_add(report, FUNCTIONS[i].id, CHECK_PASS, NULL, "tried and fine: %s",
				   FUNCTIONS[i].what);
		else
			report_add(report, FUNCTIONS[i].id,
				   FUNCTIONS[i].required ? CHECK_FAIL : CHECK_WARN,
				   FUNCTIONS[i].remedy, "tried and not working: %s%s%s", FUNCTIONS[i].what,
				   *reason ? ": " : "", reason);
	}
	if (ctx->facts.pool_mounted)
		report_add(report, "kernel.xfs-quota", CHECK_PASS, NULL, "the pool is mounted");
	else
		check_xfs_quota(ctx, report);
}
