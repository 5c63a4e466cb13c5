/* For the tests of move.h: a world with a full /var/lib/docker, a pool, and what runs in children.
 */
#ifndef MOVE_FIXTURE_H
#define MOVE_FIXTURE_H

#include "tree_fixture.h"

#include "change/move.h"
#include "change/tree.h"
#include "sys/loop.h"

#define T "/var/lib/docker"
#define D "/var/lib/berth/pool/docker"

static struct host host;
static bool may_mount;

_maybe_ static const char *real(const char *path)
{
	return in(host.root, path);
}

/* ---- a world: T full of everything, a pool beside it, and a twin of T to compare with ---- */

_maybe_ static void reset(void)
{
	static const char *const GONE[] = {
		T, T ".berth-old",     T ".berth-partial", T ".berth-aside", T ".berth-aside-2",
		D, D ".berth-partial", D ".berth-back",	   D ".berth-new",
	};

	for (size_t i = 0; i < ARRAY_SIZE(GONE); i++)
		wipe(real(GONE[i]));
	fixture_build(real(T));
}

static struct change make_change(json_int_t capacity)
{
	return (struct change){
		.kind = &change_move,
		.target = strdup(T),
		.want = json_pack("{s:s, s:I}", "to", D, "capacity", capacity),
	};
}

_maybe_ static int child_apply(void *userdata, struct error *err)
{
	_cleanup_(change_release) struct change change = make_change(-1);
	struct change_context ctx = { .host = &host };
	_cleanup_json_ json_t *before = NULL;
	_cleanup_json_ json_t *after = NULL;
	int r = userdata ? 0 : change.kind->capture(&ctx, &change, &before, err);

	return r < 0 ? r : change.kind->apply(&ctx, &change, before, &after, err);
}

struct undoing {
	bool finished; /* the journal knows that apply() was done */
	bool delete_data;
	enum undo_outcome expected;
};

_maybe_ static int child_undo(void *userdata, struct error *err)
{
	const struct undoing *undoing = userdata;
	_cleanup_(change_release) struct change change = make_change(-1);
	_cleanup_(strbuf_release) struct strbuf why = STRBUF_INIT;
	struct change_context ctx = { .host = &host, .delete_data = undoing->delete_data };
	_cleanup_json_ json_t *before = json_pack("{s:b}", "existed", 1);
	_cleanup_json_ json_t *after = json_pack("{s:s}", "old", T ".berth-old");
	const struct change_record record = {
		.target = T,
		.want = change.want,
		.before = before,
		.after = undoing->finished ? after : NULL,
	};
	enum undo_outcome outcome;
	int r = change.kind->undo(&ctx, &record, &outcome, &why, err);

	if (r == 0 && outcome != undoing->expected && (int)undoing->expected >= 0)
		return error_set(err, EPROTO, "outcome %d: %s", outcome, strbuf_str(&why));
	return r;
}

_maybe_ static int holds(struct error *err)
{
	_cleanup_(change_release) struct change change = make_change(-1);
	struct change_context ctx = { .host = &host };

	return change.kind->holds(&ctx, &change, err);
}

_maybe_ static void assert_moved(void)
{
	struct error err = ERROR_INIT;
	struct stat now, then;

	assert_same(real("/twin"), real(D));
	assert_same(real("/twin"), real(T ".berth-old"));
	assert_int_equal(tree_content(&host, T, &err), TREE_EMPTY);
	assert_ok(lstat(real(T), &now));
	assert_ok(lstat(real("/twin"), &then));
	assert_int_equal(now.st_mode, then.st_mode);
	assert_int_equal(now.st_mtim.tv_nsec, then.st_mtim.tv_nsec);
	assert_false(exists(real(D ".berth-partial")));
	assert_int_equal(holds(&err), 1);
}

_maybe_ static void assert_back(const char *twin)
{
	assert_same(real(twin), real(T));
	assert_false(exists(real(T ".berth-old")));
	assert_false(exists(real(T ".berth-partial")));
	assert_false(exists(real(D ".berth-partial")));
	assert_false(exists(real(D ".berth-back")));
	assert_int_not_equal(tree_content(&host, D, NULL), TREE_FULL);
}

_maybe_ static int child_discard(void *userdata, struct error *err)
{
	struct change_context ctx = { .host = &host };

	(void)userdata;
	return move_discard_old(&ctx, T, err);
}

_maybe_ static void make_skeleton(void)
{
	make_dirs(real(T "/containers"));
	make_dirs(real(T "/volumes"));
	make_dirs(real(T "/image/overlay2"));
}

/* ---- the pool: a real XFS if we may, else a tmpfs, else a directory ---- */

_maybe_ static bool mount_xfs(const char *pool)
{
	const char *image = real("/pool.img");
	struct loop_device loop;
	int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;

	assert_ok(fd);
	assert_ok(ftruncate(fd, (off_t)512 << 20));
	if (access("/sbin/mkfs.xfs", X_OK) < 0 || loop_attach(fd, 4096, &loop, NULL) < 0) {
		close(fd);
		return false;
	}
	run_program("/sbin/mkfs.xfs", "-q", "-ssize=4096", loop.device);
	r = mount_device(loop.device, pool, "xfs", 0, NULL, NULL);
	(void)loop_detach(loop.device, NULL); /* lazily: with the mount's end */
	close(fd);
	return r == 0;
}

_maybe_ static int group_setup(void **state)
{
	static const char *const PROGRAMS[] = { "/bin/cp", NULL };
	const char *kind = "a directory of the same file system (may not mount)";

	(void)state;
	may_mount = own_mounts();
	host_build(&host, PROGRAMS);
	make_dirs(real("/var/lib/berth/pool"));
	if (may_mount && mount_xfs(real("/var/lib/berth/pool"))) {
		kind = "XFS on a loop device";
	} else if (may_mount) {
		must_mount("none", real("/var/lib/berth/pool"), "tmpfs", NULL);
		kind = "tmpfs (no XFS or no loop device here)";
	}
	print_message("the pool is %s\n", kind);
	fixture_build(real("/twin"));
	fixture_build(real("/twin2"));
	put_file(real("/twin2/since"), 100000, 0600);
	fixture_times(real("/twin2"));
	return 0;
}

_maybe_ static int group_teardown(void **state)
{
	(void)state;
	if (may_mount)
		must_unmount(real("/var/lib/berth/pool"));
	wipe(host.root);
	host_release(&host);
	return 0;
}

#endif
