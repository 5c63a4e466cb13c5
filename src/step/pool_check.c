#include "step/pool_check.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "base/units.h"
#include "change/move.h"
#include "change/pool_now.h"
#include "engine/crio.h"
#include "step/layout.h"
#include "step/pool_pods.h"
#include "sys/fsinfo.h"
#include "sys/loop.h"
#include "sys/quota.h"
#include "sys/xfs.h"

/* An id of the very top of the range: neither Docker nor people hand these out. */
#define PROBE_PROJECT 4294967000U
#define PROBE_LIMIT   ((uint64_t)1 << 20)
#define PROBE_DIR     POOL_DIR "/.berth-verify"

static const char REMEDY[] = "run berth install; systemctl status berth-pool var-lib-berth-pool.mount";

int pool_probe(struct step_context *ctx, const char *target, struct strbuf *ret,
	       enum verdict *ret_verdict, struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	char total[UNITS_MAX], available[UNITS_MAX];
	struct fsinfo info;

	if (!ctx->facts.pool_mounted) {
		strbuf_printf(ret, "'%s' %s, not mounted", target,
			      host_exists(ctx->host, target) ? "is there" : "is not there");
		*ret_verdict = CHECK_WARN;
		return 0;
	}
	fd = host_open(ctx->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || fsinfo_fd(fd, &info, err) < 0)
		return error_errno(err, fd < 0 ? fd : -EIO, "look at '%s'", POOL_DIR);
	strbuf_printf(ret, "'%s' mounted, %s of %s free", target,
		      size_format(info.available, available), size_format(info.total, total));
	return 0;
}

/* Is it the pool's own, also where the pool itself is away for the moment? */
static bool is_of_pool(const struct step_context *ctx, const struct mount_entry *m)
{
	const struct mount_entry *pool = mount_table_at(&ctx->facts.mounts, POOL_DIR);
	struct stat st;

	if (pool)
		return mount_same_fs(m, pool);
	return host_stat(ctx->host, POOL_LINK, &st, true) == 0 && S_ISBLK(st.st_mode) &&
	       st.st_rdev == makedev(m->major, m->minor);
}

void pool_check_places(struct step_context *ctx, struct report *report)
{
	const struct {
		const char *place;
		bool wanted;
	} PLACES[] = {
		{ DOCKER_DATA, spec_has_docker(ctx->spec) },
		{ SYSBOX_DATA, true },
		{ CONTAINERD_DATA, ctx->spec->pool.pods && spec_has_containerd(ctx->spec) },
		{ CRIO_DATA, ctx->spec->pool.pods && spec_has_crio(ctx->spec) },
		{ KUBELET_DATA, ctx->spec->pool.pods && spec_has_pods(ctx->spec) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		const struct mount_entry *m = mount_table_at(&ctx->facts.mounts, PLACES[i].place);

		if (PLACES[i].wanted && m && !is_of_pool(ctx, m))
			report_add(report, "pool.place", CHECK_FAIL,
				   "stop what uses it, umount it, take it out of /etc/fstab and put what it holds into the folder "
				   "itself: berth moves that onto the pool",
				   "%s is a mount of its own (%s, %s): the pool would cover it at the next boot", PLACES[i].place,
				   m->source, m->type);
	}
}

void pool_check_size(struct step_context *ctx, struct report *report)
{
	char now[UNITS_MAX], wanted[UNITS_MAX];
	struct stat st;

	if (*ctx->spec->pool.device || host_stat(ctx->host, ctx->spec->pool.image, &st, true) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size >= ctx->spec->pool.size)
		return; /* larger: it has grown since */
	size_format((uint64_t)st.st_size, now);
	size_format(ctx->spec->pool.size, wanted);
	report_add(report, "pool.size", CHECK_WARN, "run berth pool grow, or set pool.size to what it is",
		   "the pool's image has %s, pool.size says %s: the size of a pool that is there is not "
		   "changed by an installation", now, wanted);
}

const char *pool_missing_mount(const struct mount_table *mounts, const struct spec *spec)
{
	static const struct {
		const char *place, *root; /* of the pool's file system */
		bool of_docker;
	} BOUND[] = { { SYSBOX_DATA, "/sysbox", false }, { DOCKER_DATA, "/docker", true } };
	const struct mount_entry *pool = mount_table_at(mounts, POOL_DIR);

	if (!pool || strcmp(pool->type, "xfs") != 0)
		return POOL_DIR;
	for (size_t i = 0; i < ARRAY_SIZE(BOUND); i++) {
		const struct mount_entry *m = mount_table_at(mounts, BOUND[i].place);

		if (BOUND[i].of_docker && !spec_has_docker(spec))
			continue;
		if (!m || !mount_same_fs(m, pool) || strcmp(m->root, BOUND[i].root) != 0)
			return BOUND[i].place;
	}
	return pool_pods_missing(mounts, spec);
}

static void check_mounts(struct step_context *ctx, struct report *report)
{
	const char *missing = pool_missing_mount(&ctx->facts.mounts, ctx->spec);

	if (missing)
		report_add(report, "pool.mounts", CHECK_FAIL, REMEDY, "%s is not on the pool", missing);
	else
		report_add(report, "pool.mounts", CHECK_PASS, NULL,
			   "the pool is mounted, and bound to %s" SYSBOX_DATA,
			   spec_has_docker(ctx->spec) ? DOCKER_DATA " and " : "");
}

static void check_geometry(int fd, struct report *report)
{
	struct xfs_geometry geometry;
	struct error err = ERROR_INIT;

	if (xfs_get_geometry(fd, &geometry, &err) < 0)
		report_add(report, "pool.xfs", CHECK_FAIL, REMEDY, "%s", err.message);
	else
		report_add(report, "pool.xfs", geometry.ftype ? CHECK_PASS : CHECK_FAIL,
			   geometry.ftype ? NULL : "make the pool anew: ftype is decided by mkfs",
			   "the pool is XFS with ftype=%d", geometry.ftype);
}

static void check_direct_io(struct step_context *ctx, struct report *report)
{
	const struct mount_entry *pool = mount_table_at(&ctx->facts.mounts, POOL_DIR);
	struct error err = ERROR_INIT;
	struct loop_device loop;

	if (strncmp(pool->source, "/dev/loop", 9) != 0 ||
	    loop_inspect(pool->source, &loop, &err) < 0)
		return;
	if (loop.direct_io)
		report_add(report, "pool.direct-io", CHECK_PASS, NULL,
			   "%s does direct I/O to its image", loop.device);
	else
		report_add(report, "pool.direct-io", CHECK_WARN,
			   "put the image on ext4 or XFS; pages are cached twice otherwise",
			   "%s has no direct I/O: its file system cannot do it", loop.device);
}

/* Write past the limit of a project of our own; 1 when the kernel stopped it with ENOSPC. */
static int fill(int dir, struct error *err)
{
	static const char BLOCK[65536] = { 1 };
	_cleanup_fd_ int fd = openat(dir, "fill", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, errno, "make a file in the test project");
	for (uint64_t written = 0; written < 4 * PROBE_LIMIT; written += sizeof(BLOCK)) {
		if (write(fd, BLOCK, sizeof(BLOCK)) < 0)
			return errno == ENOSPC || errno == EDQUOT ?
				       1 :
				       error_errno(err, errno, "write into the test project");
	}
	return 0;
}

static int enforce(int pool, int dir, struct error *err)
{
	struct quota_usage usage;
	int r = quota_set_limit(pool, PROBE_PROJECT, PROBE_LIMIT, 0, err);

	if (r == 0)
		r = quota_get(pool, PROBE_PROJECT, &usage, err);
	if (r == 0 && usage.hard != PROBE_LIMIT)
		return error_set(err, EIO, "the limit does not read back");
	if (r == 0)
		r = quota_set_project(dir, PROBE_PROJECT, true, err);
	return r < 0 ? r : fill(dir, err);
}

/* The real proof: a project with 1 MiB cannot take a byte more, whatever any state bit says. */
static void check_enforcement(struct step_context *ctx, int pool, struct report *report)
{
	_cleanup_fd_ int dir = -EBADF;
	struct error err = ERROR_INIT, ignored = ERROR_INIT;
	int r = host_mkdirs(ctx->host, PROBE_DIR, 0700, NULL, &err);

	if (r == 0) {
		dir = host_open(ctx->host, PROBE_DIR, O_RDONLY | O_DIRECTORY, 0);
		r = dir < 0 ? error_errno(&err, dir, "open '%s'", PROBE_DIR) :
			      enforce(pool, dir, &err);
	}
	if (dir >= 0)
		(void)unlinkat(dir, "fill", 0);
	(void)host_rmdir(ctx->host, PROBE_DIR);
	(void)quota_set_limit(pool, PROBE_PROJECT, 0, 0, &ignored);
	if (r == 1)
		report_add(report, "pool.enforcement", CHECK_PASS, NULL,
			   "a project with 1M was stopped at 1M");
	else
		report_add(report, "pool.enforcement", CHECK_FAIL, REMEDY,
			   r == 0 ? "a project with a limit of 1M could write 4M%s" :
				    "quota enforcement could not be tried: %s",
			   r == 0 ? "" : err.message);
}

static void check_quota(int fd, struct report *report)
{
	struct quota_state state;
	struct error err = ERROR_INIT;

	if (quota_get_state(fd, &state, &err) < 0)
		report_add(report, "pool.quota", CHECK_FAIL, REMEDY, "%s", err.message);
	else
		report_add(report, "pool.quota",
			   state.accounting && state.enforcement ? CHECK_PASS : CHECK_FAIL,
			   state.accounting && state.enforcement ? NULL : REMEDY,
			   "project quota: accounting %s, enforcement %s",
			   state.accounting ? "on" : "off", state.enforcement ? "on" : "off");
}

/* Old copies stay until all is verified: what they take comes back. */
static bool copies_stay(struct step_context *ctx)
{
	return host_exists(ctx->host, DOCKER_DATA ".berth-old") ||
	       host_exists(ctx->host, SYSBOX_DATA ".berth-old") ||
	       host_exists(ctx->host, CONTAINERD_DATA ".berth-old");
}

static void check_disk(struct step_context *ctx, struct report *report)
{
	static const char FREE[] = "free space there; berth pool status has the figures, berth pool trim "
				   "gives free space of the pool back";
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	char promised[UNITS_MAX], available[UNITS_MAX];
	const uint64_t reserve = ctx->spec->pool.reserve;
	struct error err = ERROR_INIT;

	if (pool_now_read(ctx->host, ctx->spec->pool.device, &now, &err) < 0) {
		report_add(report, "pool.backing", CHECK_FAIL, REMEDY, "%s", err.message);
		return;
	}
	size_format(pool_promised(&now.figures), promised);
	size_format(now.figures.disk_free, available);
	if (now.figures.device)
		report_add(report, "pool.backing", CHECK_PASS, NULL,
			   "the pool is on a device: no other disk can run full under it");
	else if (pool_check_disk(&now.figures, reserve, &err) < 0)
		report_add(report, "pool.backing", copies_stay(ctx) ? CHECK_WARN : CHECK_FAIL, FREE, "%s",
			   err.message);
	else if (pool_is_short(&now.figures, reserve))
		report_add(report, "pool.backing", CHECK_WARN, FREE,
			   "the disk below will be full before the pool is: %s of the image are not on it "
			   "yet, and %s are free there", promised, available);
	else
		report_add(report, "pool.backing", CHECK_PASS, NULL,
			   "%s of the pool's image are to be written yet, and %s are free below it", promised,
			   available);
}

int pool_verify(struct step_context *ctx, struct report *report, struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;

	(void)err;
	if (host_is_rooted(ctx->host)) {
		report_add(report, "pool", CHECK_SKIP, NULL, "a folder has no mounts");
		return 0;
	}
	if (!ctx->facts.pool_mounted) {
		report_add(report, "pool.mounts", CHECK_FAIL, REMEDY, "no pool is mounted at " POOL_DIR);
		return 0;
	}
	fd = host_open(ctx->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0) {
		report_add(report, "pool.mounts", CHECK_FAIL, REMEDY, "'%s' cannot be opened: %s",
			   POOL_DIR, strerror(-fd));
		return 0;
	}
	check_mounts(ctx, report);
	check_geometry(fd, report);
	check_direct_io(ctx, report);
	check_disk(ctx, report);
	check_quota(fd, report);
	check_enforcement(ctx, fd, report);
	return 0;
}

int pool_settle(struct step_context *ctx, struct error *err)
{
	static const char *const PLACES[] = { DOCKER_DATA, SYSBOX_DATA, CONTAINERD_DATA, KUBELET_DATA };

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		int r = move_discard_old(&ctx->change, PLACES[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
