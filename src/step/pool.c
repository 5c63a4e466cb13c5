/*
 * The pool: one XFS with project quotas, mounted once at /var/lib/berth/pool and bound to
 * /var/lib/docker and /var/lib/sysbox by mount units. Without it neither Docker nor Sysbox starts.
 */
#include <sys/random.h>

#include "change/packages.h"
#include "step/layout.h"
#include "step/pool_check.h"
#include "step/pool_part.h"
#include "step/pool_pods.h"
#include "step/pool_takes.h"
#include "step/pool_timers.h"
#include "step/table.h"
#include "sys/blkprobe.h"

#include <fcntl.h>

static const char *pool_target(const struct step_context *ctx)
{
	return *ctx->spec->pool.device ? ctx->spec->pool.device : ctx->spec->pool.image;
}

/* The file system's UUID where there is one, else a new one (RFC 9562, version 4). */
static int pool_uuid(const struct step_context *ctx, char ret[static 40], struct error *err)
{
	_cleanup_fd_ int fd = host_open(ctx->host, pool_target(ctx), O_RDONLY | O_NONBLOCK, 0);
	unsigned char b[16];
	struct blkprobe probe;

	if (fd >= 0 && blkprobe_fd(fd, &probe, NULL) == 0 && strcmp(probe.type, "xfs") == 0) {
		memcpy(ret, probe.uuid, sizeof(probe.uuid));
		return 0;
	}
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return error_errno(err, errno, "make a UUID");
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	(void)snprintf(ret, 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		       b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		       b[12], b[13], b[14], b[15]);
	return 0;
}

static int plan_file_system(struct step_context *ctx, struct plan *plan, const char *uuid,
			    struct error *err)
{
	static const char *const TOOLS[] = { "xfsprogs", NULL };
	const struct package *tools = package_db_find(&ctx->facts.packages, TOOLS[0]);
	_cleanup_free_ char *mkfs = host_find_program(ctx->host, "mkfs.xfs");
	int r = 0;

	if (!mkfs || (tools && tools->broken))
		r = plan_packages(plan, &ctx->change, &ctx->facts.packages, TOOLS, "mkfs.xfs", err);
	if (r < 0)
		return r;
	return plan_add(plan, &ctx->change, &change_pool, pool_target(ctx),
			json_pack("{s:b, s:I, s:s, s:I, s:s}", "device", *ctx->spec->pool.device != 0,
				  "size", (json_int_t)ctx->spec->pool.size, "allocate",
				  pool_allocate_words[ctx->spec->pool.allocate], "reserve",
				  (json_int_t)ctx->spec->pool.reserve, "uuid", uuid),
			NULL, "the pool's file system", err);
}

static char *pool_service(const struct step_context *ctx)
{
	return xasprintf("# Written by berth: finds the pool's device (a loop device with direct I/O for an\n"
			 "# image) and links %s to it.\n"
			 "[Unit]\n"
			 "Description=berth pool device\n"
			 "Documentation=man:berth(8)\n"
			 "DefaultDependencies=no\n"
			 "RequiresMountsFor=%s\n"
			 "After=systemd-modules-load.service local-fs.target\n"
			 "Conflicts=umount.target\n"
			 "Before=umount.target %s\n"
			 "\n"
			 "[Service]\n"
			 "Type=oneshot\n"
			 "RemainAfterExit=yes\n"
			 "ExecStart=" BERTH_PROGRAM " pool attach %s\n"
			 "ExecStop=" BERTH_PROGRAM " pool detach %s\n"
			 "TimeoutSec=90\n",
			 POOL_LINK, pool_target(ctx), POOL_MOUNT, pool_target(ctx), pool_target(ctx));
}

static const char POOL_MOUNT_UNIT[] =
	"# Written by berth: the pool. Quotas are decided at this mount: prjquota must be here.\n"
	"[Unit]\n"
	"Description=berth pool\n"
	"Documentation=man:berth(8)\n"
	"DefaultDependencies=no\n"
	"Requires=" POOL_SERVICE "\n"
	"After=" POOL_SERVICE "\n"
	"Conflicts=umount.target\n"
	"Before=umount.target\n"
	"\n"
	"[Mount]\n"
	"What=" POOL_LINK "\n"
	"Where=" POOL_DIR "\n"
	"Type=xfs\n"
	"Options=prjquota,noatime\n"
	"TimeoutSec=90\n"
	"\n"
	"[Install]\n"
	"WantedBy=multi-user.target\n";

static const char DOCKER_DROPIN[] =
	"# Written by berth: Docker starts with its pool and with Sysbox, never on the root disk.\n"
	"[Unit]\n"
	"Requires=" DOCKER_MOUNT "\n"
	"After=" DOCKER_MOUNT " sysbox.service\n"
	"Wants=sysbox.service\n"
	"AssertPathIsMountPoint=" DOCKER_DATA "\n";

static int plan_units(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_free_ char *service = pool_service(ctx);
	const struct {
		const char *path, *text;
		bool of_docker;
	} files[] = {
		{ UNIT_DIR "/" POOL_SERVICE, service, false },
		{ UNIT_DIR "/" POOL_MOUNT, POOL_MOUNT_UNIT, false },
		{ UNIT_DIR "/docker.service.d/" DROPIN, DOCKER_DROPIN, true },
	};
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(files); i++) {
		if (files[i].of_docker && !spec_has_docker(ctx->spec))
			continue;
		if (!files[i].text)
			return error_errno(err, ENOMEM, "plan the pool's units");
		r = plan_file(plan, &ctx->change, files[i].path, files[i].text, 0644, NULL, err);
	}
	return r;
}

static int plan_pool(struct step_context *ctx, struct plan *plan, struct error *err)
{
	static const struct pool_part PARTS[] = {
		{ DOCKER_DATA, POOL_DIR "/docker", DOCKER_MOUNT, "docker.service", 0710 },
		{ SYSBOX_DATA, POOL_DIR "/sysbox", SYSBOX_MOUNT, "sysbox-mgr.service", 0700 },
	};
	size_t first = spec_has_docker(ctx->spec) ? 0 : 1;
	uint64_t room = pool_takes(ctx);
	char uuid[40];
	int r = pool_uuid(ctx, uuid, err);

	if (r == 0 && !ctx->facts.pool_mounted)
		r = plan_file_system(ctx, plan, uuid, err);
	if (r >= 0)
		r = plan_units(ctx, plan, err);
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_enable, POOL_MOUNT, json_object(), NULL, NULL,
			     err);
	/* By name, though the mount needs it: nothing else would stop it again when it is undone. */
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_start, POOL_SERVICE, json_object(), NULL, NULL,
			     err);
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_start, POOL_MOUNT, json_object(), NULL, NULL,
			     err);
	if (r >= 0 && ctx->facts.pool_mounted)
		r = plan_add(plan, &ctx->change, &change_enforce, POOL_DIR, json_object(), NULL, NULL, err);
	for (size_t i = first; r >= 0 && i < ARRAY_SIZE(PARTS); i++)
		r = pool_part_plan(ctx, plan, &PARTS[i], &room, err);
	if (r >= 0)
		r = pool_pods_plan(ctx, plan, &room, err);
	/* Taken back first: what waits in it goes back to Sysbox's part, and with that to its old place. */
	if (r >= 0)
		r = plan_add(plan, &ctx->change, &change_pool_dir, POOL_DIR "/stash",
			     json_pack("{s:i, s:s}", "mode", 0700, "into", POOL_DIR "/sysbox"), NULL,
			     "sandboxes' inner data while Sysbox is away", err);
	if (r >= 0)
		r = pool_timers_plan(ctx, plan, err);
	return r;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	return pool_probe(ctx, pool_target(ctx), ret, ret_verdict, err);
}

static int check(struct step_context *ctx, struct report *report, struct error *err)
{
	(void)err;
	pool_check_places(ctx, report);
	pool_check_size(ctx, report);
	pool_pods_check(ctx, report);
	return 0;
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	return pool_verify(ctx, report, err);
}

static int settle(struct step_context *ctx, struct error *err)
{
	return pool_settle(ctx, err);
}

const struct step step_pool = {
	.name = "pool",
	.summary = "XFS with project quotas under Docker and Sysbox",
	.beneath_docker = true,
	.probe = probe,
	.check = check,
	.plan = plan_pool,
	.verify = verify,
	.settle = settle,
};
