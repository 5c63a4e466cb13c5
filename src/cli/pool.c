/*
 * berth pool: how full it is, and how far it may grow; growth and trim while it is in use.
 *
 * Verbs for units: attach and detach PATH (berth-pool.service) link /run/berth/pool-device to the device
 * the pool is on, attaching a loop device for an image; nothing is ever formatted here. scheduled-trim
 * (berth-pool-trim.service) is trim unless the settings say no: they may have changed since the timer
 * was enabled.
 */
#include <fcntl.h>

#include "base/units.h"
#include "cli/pool_status.h"
#include "node/pool_grow.h"
#include "step/layout.h"
#include "sys/blkprobe.h"
#include "sys/loop.h"
#include "sys/trim.h"

static int check(int fd, const char *path, struct error *err)
{
	struct blkprobe probe;
	int r = blkprobe_fd(fd, &probe, err);

	if (r == 0 && strcmp(probe.type, "xfs") != 0)
		r = error_set(err, EINVAL, "'%s' holds no XFS file system that is recognised: berth does "
			      "not make it anew; Docker and Sysbox stay down", path);
	return r;
}

/* Relink atomically: the mount unit may be looking. */
static int link_device(const char *device, struct error *err)
{
	static const char TEMP[] = POOL_LINK ".new";

	if (mkdir("/run/berth", 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make '/run/berth'");
	(void)unlink(TEMP);
	if (symlink(device, TEMP) < 0 || rename(TEMP, POOL_LINK) < 0)
		return error_errno(err, errno, "link '%s' to '%s'", POOL_LINK, device);
	return 0;
}

static int attach(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct loop_device loop;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open the pool '%s'", path);
	r = check(fd, path, err);
	if (r < 0)
		return r;
	if (S_ISBLK(st.st_mode))
		return link_device(path, err);
	r = loop_find(fd, &loop, err);
	if (r == -ENOENT) {
		error_clear(err);
		r = loop_attach(fd, 0, &loop, err);
	}
	return r < 0 ? r : link_device(loop.device, err);
}

static int detach(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct loop_device loop;
	struct stat st;
	int r;

	(void)unlink(POOL_LINK);
	if (fd < 0 || fstat(fd, &st) < 0 || S_ISBLK(st.st_mode))
		return 0;
	r = loop_find(fd, &loop, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : loop_detach(loop.device, err);
}

static int link_pool(const struct arguments *args, int (*verb)(const char *path, struct error *err))
{
	struct error err = ERROR_INIT;

	return verb(args->argv[1], &err) < 0 ? cli_fail(args, &err) : EXIT_DONE;
}

static int run_attach(const struct arguments *args)
{
	return link_pool(args, attach);
}

static int run_detach(const struct arguments *args)
{
	return link_pool(args, detach);
}

/* ---- for people, and for timers ---- */

static int look(const struct node *node, struct pool_now *ret, struct error *err)
{
	return pool_now_read(&node->host, node->spec.pool.device, ret, err);
}

static int run_status(const struct arguments *args)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct error err = ERROR_INIT;
	int r = cli_open(args, &node);

	if (r)
		return r;
	return look(&node, &now, &err) < 0 ? cli_fail(args, &err) :
					     pool_status_print(args, &node.spec, &now);
}

/* Do it, look again, and say what came of it. */
static int grow(const struct arguments *args, struct node *node, const struct pool_now *before,
		uint64_t target)
{
	_cleanup_(pool_now_release) struct pool_now after = POOL_NOW_INIT;
	char from[UNITS_MAX], to[UNITS_MAX];
	struct error err = ERROR_INIT;
	int r = pool_grow(before, target, node->spec.pool.allocate, &err);

	if (r == 0)
		r = look(node, &after, &err);
	if (r < 0)
		return cli_fail(args, &err);
	if (args->json) {
		_cleanup_json_ json_t *value =
			json_pack("{s:b, s:I, s:I}", "changed", 1, "from",
				  (json_int_t)before->figures.data, "to",
				  (json_int_t)after.figures.data);

		return cli_print_json(value);
	}
	if (!args->quiet)
		printf("The pool on '%s' has grown from %s to %s.\n", after.name,
		       size_format(before->figures.data, from), size_format(after.figures.data, to));
	return EXIT_DONE;
}

static int print_nothing(const struct arguments *args, const struct pool_now *now, bool say)
{
	char size[UNITS_MAX];

	if (args->json) {
		_cleanup_json_ json_t *value = json_pack("{s:b, s:I}", "changed", 0, "size",
							 (json_int_t)now->figures.data);

		return cli_print_json(value);
	}
	if (say && !args->quiet)
		printf("Nothing to do: the pool on '%s' has %s.\n", now->name,
		       size_format(now->figures.data, size));
	return EXIT_DONE;
}

static int run_grow(const struct arguments *args)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct error err = ERROR_INIT;
	uint64_t target;
	int r = cli_open(args, &node);

	if (r == 0)
		r = cli_lock(args, &node, "pool grow");
	if (r)
		return r;
	r = look(&node, &now, &err);
	if (r == 0)
		r = pool_policy_ask(&now.figures, args->argc > 1 ? args->argv[1] : NULL,
				    node.spec.pool.reserve, &target, &err);
	if (r < 0)
		return cli_fail(args, &err);
	return r ? grow(args, &node, &now, target) : print_nothing(args, &now, true);
}

static int decide(const struct node *node, struct pool_now *now, uint64_t *ret_target,
		  struct error *err)
{
	const struct pool_policy policy = pool_policy_of(&node->spec);
	int r;

	pool_now_release(now);
	r = look(node, now, err);
	return r < 0 ? r : pool_policy_auto(&now->figures, &policy, ret_target, err);
}

/* Every minute: the lock is taken, and stands in others' way, only where there is something to do. */
static int run_auto(const struct arguments *args)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	struct error err = ERROR_INIT;
	uint64_t target;
	int r = cli_open(args, &node), locked;

	if (r)
		return r;
	r = decide(&node, &now, &target, &err);
	if (r > 0) {
		locked = cli_lock(args, &node, "pool auto");
		if (locked)
			return locked;
		r = decide(&node, &now, &target, &err);
	}
	if (r < 0)
		return cli_fail(args, &err);
	return r ? grow(args, &node, &now, target) : print_nothing(args, &now, false);
}

static int print_trim(const struct arguments *args, const struct pool_now *now, uint64_t discarded,
		      uint64_t given_back, const char *skipped)
{
	char size[UNITS_MAX];

	if (args->json) {
		_cleanup_json_ json_t *value =
			json_pack("{s:I, s:I, s:s?}", "discarded", (json_int_t)discarded, "given_back",
				  (json_int_t)given_back, "skipped", skipped);

		return cli_print_json(value);
	}
	if (args->quiet)
		return EXIT_DONE;
	if (skipped)
		printf("Nothing was trimmed: %s.\n", skipped);
	else if (now->figures.device)
		printf("Trimmed: '%s' knows of %s that the pool does not use.\n", now->name,
		       size_format(discarded, size));
	else
		printf("Trimmed: %s of '%s' were given back to the %s file system below.\n",
		       size_format(given_back, size), now->name, now->figures.disk_type);
	return EXIT_DONE;
}

/*
 * Trimming punches holes into an image: into one that was allocated in full, so that the disk below can
 * never run out under the pool, only where the settings want it sparse.
 */
static int trim(const struct arguments *args, const struct node *node)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	struct error err = ERROR_INIT;
	uint64_t discarded = 0, before, after;
	struct stat st;
	int r = look(node, &now, &err);

	if (r < 0)
		return cli_fail(args, &err);
	if (!now.figures.device && !pool_promised(&now.figures) &&
	    node->spec.pool.allocate != POOL_ALLOCATE_SPARSE)
		return print_trim(args, &now, 0, 0,
				  "the image has all of its blocks, so that the disk below cannot run out "
				  "under the pool; pool.allocate: sparse would give free ones back");
	before = now.figures.allocated;
	r = trim_free_space(now.dir_fd, &discarded, &err);
	if (r == 0 && !now.figures.device && fstat(now.image_fd, &st) < 0)
		r = error_errno(&err, errno, "look at '%s'", now.name);
	if (r < 0)
		return cli_fail(args, &err);
	after = now.figures.device ? before : (uint64_t)st.st_blocks * 512;
	return print_trim(args, &now, discarded, before > after ? before - after : 0, NULL);
}

static int run_trim(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	int r = cli_open(args, &node);

	return r ? r : trim(args, &node);
}

static int run_scheduled_trim(const struct arguments *args)
{
	_cleanup_(node_close) struct node node = { .lock_fd = -EBADF };
	int r = cli_open(args, &node);

	return r || !node.spec.pool.trim ? r : trim(args, &node);
}

static const struct {
	const char *name;
	int min, max; /* words behind it */
	int (*run)(const struct arguments *args);
} VERBS[] = {
	{ "status", 0, 0, run_status }, { "grow", 0, 1, run_grow },
	{ "trim", 0, 0, run_trim },	{ "auto", 0, 0, run_auto },
	{ "attach", 1, 1, run_attach }, { "detach", 1, 1, run_detach },
	{ "scheduled-trim", 0, 0, run_scheduled_trim },
};

int command_pool(const struct arguments *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(VERBS); i++) {
		if (strcmp(args->argv[0], VERBS[i].name) == 0 && args->argc - 1 >= VERBS[i].min &&
		    args->argc - 1 <= VERBS[i].max)
			return VERBS[i].run(args);
	}
	print_command_help(command_find("pool"));
	return EXIT_USAGE;
}
