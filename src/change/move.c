#include "change/move.h"

#include <fcntl.h>

#include "base/fault.h"
#include "base/units.h"
#include "change/docker_data.h"
#include "change/mounted.h"
#include "change/tree.h"
#include "change/tree_copy.h"

#define ASIDES_MAX 9

/* ---- names and what is at them ---- */

int move_names_init(struct move_names *names, const char *target, const char *to, struct error *err)
{
	if (!to)
		return error_set(err, EINVAL, "it is not said where '%s' is to be moved", target);
	*names = (struct move_names){
		.target = target,
		.to = to,
		.partial = xasprintf("%s.berth-partial", to),
		.old = xasprintf("%s.berth-old", target),
		.back_partial = xasprintf("%s.berth-partial", target),
		.back = xasprintf("%s.berth-back", to),
	};
	if (!names->partial || !names->old || !names->back_partial || !names->back)
		return error_errno(err, ENOMEM, "move '%s'", target);
	return 0;
}

void move_names_release(struct move_names *names)
{
	free(names->partial);
	free(names->old);
	free(names->back_partial);
	free(names->back);
	*names = (struct move_names){ 0 };
}

struct survey {
	int mounted;		      /* on T */
	int target, partial, to, old; /* enum tree_content */
};

static int look(const struct host *host, const struct move_names *names, struct survey *ret,
		struct error *err)
{
	const struct {
		const char *path;
		int *ret;
	} places[] = {
		{ names->target, &ret->target },
		{ names->partial, &ret->partial },
		{ names->to, &ret->to },
		{ names->old, &ret->old },
	};

	ret->mounted = mounted_at(host, names->target, err);
	if (ret->mounted < 0)
		return ret->mounted;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		*places[i].ret = tree_content(host, places[i].path, err);
		if (*places[i].ret < 0)
			return *places[i].ret;
	}
	return 0;
}

static int begin(struct change_context *ctx, const struct change *change, struct move_names *names,
		 struct survey *ret, struct error *err)
{
	int r = move_names_init(names, change->target, json_get_string(change->want, "to"), err);

	return r < 0 ? r : look(ctx->host, names, ret, err);
}

static int both_have_content(const struct move_names *names, struct error *err)
{
	return error_set(err, EEXIST,
			 "'%s' and '%s' both have content: which of them is wanted is "
			 "not for berth to say; move one of them away",
			 names->target, names->to);
}

/* ---- holds ---- */

static int fits_capacity(struct change_context *ctx, const struct change *change, const struct move_names *names,
			 struct error *err)
{
	char is[UNITS_MAX], need[UNITS_MAX], have[UNITS_MAX];
	json_int_t capacity = json_get_int(change->want, "capacity", -1);
	struct tree_usage usage, left = { 0 };
	int r;

	if (capacity < 0)
		return 0;
	r = tree_usage(ctx->host, change->target, &usage, err);
	(void)tree_usage(ctx->host, names->partial, &left, NULL);
	if (r < 0 || tree_copy_needs(&usage) <= (uint64_t)capacity + left.bytes)
		return r;
	return error_set(err, ENOSPC,
			 "'%s' holds %s, which needs %s in the pool, and the pool can take %s: set a larger pool.size, free space "
			 "on the disk it lies on, or remove what is not needed (docker system prune)",
			 change->target, size_format(usage.bytes, is),
			 size_format(tree_copy_needs(&usage), need),
			 size_format((uint64_t)capacity, have));
}

static int holds(struct change_context *ctx, const struct change *change, struct error *err)
{
	_cleanup_(move_names_release) struct move_names names = { 0 };
	struct survey now;
	int r = begin(ctx, change, &names, &now, err);

	if (r < 0)
		return r;
	if (now.mounted)
		return 1;
	/* On its way back when an uninstall was cut off? */
	if (host_exists(ctx->host, names.back) || host_exists(ctx->host, names.back_partial))
		return 0;
	if (now.target != TREE_FULL) /* begun and not finished? */
		return !(now.old == TREE_FULL &&
			 (now.partial != TREE_ABSENT || now.target == TREE_ABSENT));
	if (now.old == TREE_FULL) {
		r = docker_data_is_skeleton(ctx->host, change->target);
		if (r > 0)
			return 0;
		return r < 0 ? error_errno(err, r, "look into '%s'", change->target)
			     : error_set(err, EEXIST,
					 "'%s' was moved before, its old copy is still "
					 "in '%s', and it has new content of its own: move one of "
					 "them away",
					 change->target, names.old);
	}
	if (now.to == TREE_FULL)
		return both_have_content(&names, err);
	return fits_capacity(ctx, change, &names, err);
}

static int describe(struct change_context *ctx, const struct change *change, struct strbuf *out,
		    struct error *err)
{
	const char *to = json_get_string(change->want, "to");
	struct tree_usage usage = { 0 };
	char size[UNITS_MAX];

	(void)err;
	if (tree_usage(ctx->host, change->target, &usage, NULL) < 0)
		usage = (struct tree_usage){ 0 };
	strbuf_printf(out, "- %s in %s (%ju files and directories)\n",
		      size_format(usage.bytes, size), change->target, (uintmax_t)usage.inodes);
	strbuf_printf(out,
		      "+ the same in %s, copied and compared; %s.berth-old is kept until it is "
		      "proven\n",
		      to ? to : "?", change->target);
	return 0;
}

static int capture(struct change_context *ctx, const struct change *change, json_t **ret_before,
		   struct error *err)
{
	struct stat st = { 0 };
	int r = host_stat(ctx->host, change->target, &st, false);

	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, "look at '%s'", change->target);
	*ret_before = json_pack("{s:b, s:i, s:I, s:I}", "existed", r == 0, "mode",
				(int)(st.st_mode & 07777), "uid", (json_int_t)st.st_uid, "gid",
				(json_int_t)st.st_gid);
	return *ret_before ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

/* ---- apply ---- */

/* A name for it that is free: "<target>.berth-aside", "...-2" and so on. */
static char *free_aside(const struct host *host, const char *target)
{
	for (int i = 1; i <= ASIDES_MAX; i++) {
		char *name = i == 1 ? xasprintf("%s.berth-aside", target)
				    : xasprintf("%s.berth-aside-%d", target, i);
		struct stat st;

		if (!name || host_stat(host, name, &st, false) == -ENOENT)
			return name;
		free(name);
	}
	return NULL;
}

int move_clear_target(struct change_context *ctx, const char *target, struct error *err)
{
	_cleanup_free_ char *aside = NULL;
	int r = mounted_refuse(ctx->host, target, err);

	if (r == 0)
		r = tree_content(ctx->host, target, err);
	if (r != TREE_FULL)
		return MIN_OF(r, 0);
	r = docker_data_is_skeleton(ctx->host, target);
	if (r < 0)
		return error_errno(err, r, "look into '%s'", target);
	aside = r > 0 ? free_aside(ctx->host, target) : NULL;
	if (!aside)
		return error_set(err, EEXIST, "'%s' has content of its own by now: move it away",
				 target);
	progress_activityf(ctx->progress, "setting %s aside as %s", target, aside);
	return host_rename(ctx->host, target, aside, err);
}

/* T -> P, proven; then T -> O, which says so. */
static int copy_in(struct change_context *ctx, const struct move_names *names,
		   const struct survey *now, struct error *err)
{
	int r;

	if (now->mounted)
		return error_set(err, EBUSY, "something is mounted on '%s'", names->target);
	if (now->to == TREE_FULL)
		return both_have_content(names, err);
	r = mounted_refuse(ctx->host, names->target, err);
	if (r == 0)
		r = tree_copy_fits(ctx->host, names->target, names->partial, err);
	if (r == 0)
		r = tree_copy(ctx, names->target, names->partial, err);
	return r < 0 ? r : host_rename(ctx->host, names->target, names->old, err);
}

/* P -> D, which may be there as an empty directory. */
static int put_in_place(struct change_context *ctx, const struct move_names *names,
			struct error *err)
{
	int r = tree_content(ctx->host, names->partial, err);
	int to = r < 0 ? r : tree_content(ctx->host, names->to, err);

	if (to < 0)
		return to;
	if (r == TREE_ABSENT && to == TREE_FULL)
		return 0;
	if (r == TREE_ABSENT)
		return error_set(err, ENOENT,
				 "'%s' was moved to '%s', where it is not; the old copy is "
				 "in '%s'",
				 names->target, names->to, names->old);
	if (to == TREE_FULL)
		return error_set(err, EEXIST,
				 "'%s' has content by now, and '%s' is to become it: move "
				 "one of them away",
				 names->to, names->partial);
	return host_rename(ctx->host, names->partial, names->to, err);
}

static int remake_at(int dir, const char *name, const struct stat *like)
{
	const struct timespec times[2] = { like->st_atim, like->st_mtim };
	_cleanup_fd_ int fd = -EBADF;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fault_point("move:made");
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchown(fd, like->st_uid, like->st_gid) < 0 && geteuid() == 0)
		return -errno;
	if (fchmod(fd, like->st_mode & 07777) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0 ||
	    fsync(dir) < 0)
		return -errno;
	return 0;
}

/* An empty T as it was, for a mount to cover. */
static int remake_target(struct change_context *ctx, const struct move_names *names,
			 struct error *err)
{
	_cleanup_fd_ int dir = -EBADF;
	const char *name;
	struct stat like;
	int r = mounted_at(ctx->host, names->target, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = move_clear_target(ctx, names->target, err);
	if (r < 0)
		return r;
	r = host_stat(ctx->host, names->old, &like, false);
	if (r == 0)
		dir = host_open_parent(ctx->host, names->target, &name);
	if (r == 0)
		r = dir < 0 ? dir : remake_at(dir, name, &like);
	return r < 0 ? error_errno(err, r, "make an empty '%s'", names->target) : 0;
}

static int apply(struct change_context *ctx, const struct change *change, const json_t *before,
		 json_t **ret_after, struct error *err)
{
	_cleanup_(move_names_release) struct move_names names = { 0 };
	struct survey now;
	int r = begin(ctx, change, &names, &now, err);
	bool moved;

	(void)before;
	if (r == 0)
		r = mounted_pool(ctx->host, names.to, err);
	if (r == 0)
		return error_set(err, ENOTCONN, "the pool is not mounted on '%s'", POOL_DIR);
	if (r > 0)
		r = move_finish_back(ctx, &names, err);
	if (r == 0)
		r = look(ctx->host, &names, &now, err);
	if (r < 0)
		return r;
	moved = now.old == TREE_FULL || now.target == TREE_FULL;
	r = now.old != TREE_FULL && moved ? copy_in(ctx, &names, &now, err) : 0;
	if (r == 0 && moved)
		r = put_in_place(ctx, &names, err);
	if (r == 0 && moved)
		r = remake_target(ctx, &names, err);
	if (r < 0)
		return r;
	*ret_after = json_pack("{s:s?}", "old", moved ? names.old : NULL);
	return *ret_after ? 0 : error_errno(err, ENOMEM, "note '%s'", change->target);
}

int move_discard_old(struct change_context *ctx, const char *target, struct error *err)
{
	_cleanup_free_ char *old = xasprintf("%s.berth-old", target);

	if (!old)
		return error_errno(err, ENOMEM, "remove the old copy of '%s'", target);
	if (tree_content(ctx->host, old, NULL) == TREE_ABSENT)
		return 0;
	progress_activityf(ctx->progress, "removing %s", old);
	return tree_remove(ctx->host, old, err);
}

const struct change_kind change_move = {
	.name = "move",
	.holds = holds,
	.describe = describe,
	.capture = capture,
	.apply = apply,
	.undo = move_undo,
};
