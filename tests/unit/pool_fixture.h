/* For the tests of the pool: a change of one, its parts run in children, and the host it is made
 * on. */
#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

#include "tree_fixture.h"

#include "change/change.h"
#include "sys/blkprobe.h"

#define IMAGE "/var/lib/docker-xfs.img"
#define UUID  "6f3d8c1e-1111-4222-8333-444455556666"
#define OTHER "6f3d8c1e-1111-4222-8333-444455557777"
#define MIB   ((uint64_t)1 << 20)

static struct host host;    /* rooted in a folder */
static struct host machine; /* itself, for devices */

_maybe_ static const char *real(const char *path)
{
	return in(host.root, path);
}

/* ---- a change ---- */

struct job {
	const struct host *host;
	const char *target;
	bool device;
	uint64_t size, reserve;
	const char *allocate;
	const char *uuid;
	bool finished; /* undo: apply() is known to have ended */
	int expected;  /* undo: its outcome, -1: any */
};

static struct job image_job(void)
{
	return (struct job){
		.host = &host,
		.target = IMAGE,
		.size = 320 * MIB,
		.allocate = "sparse",
		.uuid = UUID,
		.finished = true,
		.expected = -1,
	};
}

_maybe_ static json_t *want_of(const struct job *job)
{
	return json_pack("{s:b, s:I, s:I, s:s, s:s}", "device", job->device, "size",
			 (json_int_t)job->size, "reserve", (json_int_t)job->reserve, "allocate",
			 job->allocate, "uuid", job->uuid);
}

static struct change change_of(const struct job *job)
{
	return (struct change){
		.kind = &change_pool,
		.target = strdup(job->target),
		.want = want_of(job),
	};
}

_maybe_ static int holds(const struct job *job, struct error *err)
{
	_cleanup_(change_release) struct change change = change_of(job);
	struct change_context ctx = { .host = job->host };

	return change.kind->holds(&ctx, &change, err);
}

_maybe_ static int child_apply(void *userdata, struct error *err)
{
	const struct job *job = userdata;
	_cleanup_(change_release) struct change change = change_of(job);
	struct change_context ctx = { .host = job->host };
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 0);
	_cleanup_json_ json_t *after = NULL;

	return change.kind->apply(&ctx, &change, before, &after, err);
}

_maybe_ static int child_undo(void *userdata, struct error *err)
{
	const struct job *job = userdata;
	struct change_context ctx = { .host = job->host };
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	_cleanup_json_ json_t *want = want_of(job);
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 0);
	_cleanup_json_ json_t *after = job->finished ? json_object() : NULL;
	const struct change_record record = {
		.target = job->target,
		.want = want,
		.before = before,
		.after = after,
	};
	enum undo_outcome outcome;
	int r = change_pool.undo(&ctx, &record, &outcome, &why, err);

	if (r < 0 || job->expected < 0 || (int)outcome == job->expected)
		return r;
	return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
}

static struct blkprobe probe(const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct blkprobe found;
	struct error err = ERROR_INIT;

	assert_ok(fd);
	if (blkprobe_fd(fd, &found, &err) < 0)
		fail_msg("%s", err.message);
	return found;
}

_maybe_ static void reset(void)
{
	wipe(real(IMAGE));
	wipe(real(IMAGE ".berth-new"));
}

_maybe_ static void need_mkfs(void)
{
	if (access("/sbin/mkfs.xfs", X_OK) < 0) {
		print_message("skipped: no mkfs.xfs here\n");
		skip();
	}
}

_maybe_ static int group_setup(void **state)
{
	static const char *const PROGRAMS[] = { "/sbin/mkfs.xfs", NULL };
	static bool may_mount;
	struct error err = ERROR_INIT;

	may_mount = own_mounts();
	*state = &may_mount;
	host_build(&host, access("/sbin/mkfs.xfs", X_OK) == 0 ? PROGRAMS : NULL);
	make_dirs(real("/var/lib"));
	return host_open_root(NULL, &machine, &err);
}

_maybe_ static int group_teardown(void **state)
{
	(void)state;
	wipe(host.root);
	host_release(&host);
	host_release(&machine);
	return 0;
}

#endif
