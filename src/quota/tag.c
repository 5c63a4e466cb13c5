#include "quota/tag.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/strbuf.h"
#include "sys/quota.h"
#include "sys/tree_walk.h"

#define REMADE "remade" /* in the side directory, and by its number what has several names */
#define KEPT_MAX 32

struct tagging {
	struct tree_walk walk;
	struct tag_side *side;
	uint32_t project;
	bool kept; /* something with several names was made again */
	struct error *err;
};

int tag_holds(int dir_fd, uint32_t project, struct error *err)
{
	uint32_t now;
	bool inherit;
	int r = quota_get_project(dir_fd, &now, &inherit, err);

	return r < 0 ? r : now == project && inherit;
}

static int fail(struct tagging *t, int code, const char *what, const char *name)
{
	char where[TREE_WHERE_MAX];

	return error_errno(t->err, code, "%s '%s'", what, tree_walk_where(&t->walk, name, where));
}

/* An SELinux label and the like; what the kernel refuses for such a file, the old one has not either. */
static int copy_xattrs(struct tagging *t, const char *name)
{
	_cleanup_free_ char *from = xasprintf("/proc/self/fd/%d/%s", t->walk.fd, name);
	_cleanup_free_ char *to = xasprintf("/proc/self/fd/%d/" REMADE, t->side->fd);
	char names[4096], value[4096];
	ssize_t len = from && to ? llistxattr(from, names, sizeof(names)) : -1;

	if (!from || !to)
		return -ENOMEM;
	for (const char *x = names; len > 0 && x < names + len; x += strlen(x) + 1) {
		ssize_t n = lgetxattr(from, x, value, sizeof(value));

		if (n >= 0 && lsetxattr(to, x, value, (size_t)n, 0) < 0 && errno != ENOTSUP &&
		    errno != EPERM)
			return -errno;
	}
	return len < 0 && errno != ENOTSUP ? -errno : 0;
}

static int make_again(struct tagging *t, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t n;

	if (unlinkat(t->side->fd, REMADE, 0) < 0 && errno != ENOENT)
		return -errno;
	if (!S_ISLNK(st->st_mode))
		return mknodat(t->side->fd, REMADE, st->st_mode, st->st_rdev) < 0 ? -errno : 0;
	n = readlinkat(t->walk.fd, name, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, t->side->fd, REMADE) < 0 ? -errno : 0;
}

static int open_side(struct tagging *t)
{
	if (t->side->fd >= 0)
		return 0;
	t->side->fd = t->side->open(t->side, t->err);
	return t->side->fd < 0 ? t->side->fd : quota_set_project(t->side->fd, t->project, true, t->err);
}

/* With all that the old one has. */
static int make_whole(struct tagging *t, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = make_again(t, name, st);

	if (r == 0)
		r = copy_xattrs(t, name);
	if (r == 0 && fchownat(t->side->fd, REMADE, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	/* The umask and the change of owner have touched the mode; a link has none. */
	if (r == 0 && !S_ISLNK(st->st_mode) && fchmodat(t->side->fd, REMADE, st->st_mode & 07777, 0) < 0)
		r = -errno;
	if (r == 0 && utimensat(t->side->fd, REMADE, times, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r;
}

static void kept_name(const struct stat *st, char ret[static KEPT_MAX])
{
	(void)snprintf(ret, KEPT_MAX, "%ju", (uintmax_t)st->st_ino);
}

/*
 * What has several names stays one file: whoever has made millions of them would get millions of inodes. 1: it was made
 * before, under another of its names. Where the new one has as many names as a file may have, another is made.
 */
static int link_again(struct tagging *t, const struct stat *st)
{
	char kept[KEPT_MAX];

	/* The last of its names is the only one by then. */
	if (!t->kept)
		return 0;
	kept_name(st, kept);
	if (unlinkat(t->side->fd, REMADE, 0) < 0 && errno != ENOENT)
		return -errno;
	if (linkat(t->side->fd, kept, t->side->fd, REMADE, 0) == 0)
		return 1;
	if (errno == EMLINK && unlinkat(t->side->fd, kept, 0) == 0)
		return 0;
	return errno == ENOENT ? 0 : -errno;
}

static int keep(struct tagging *t, const struct stat *st)
{
	char kept[KEPT_MAX];

	if (st->st_nlink < 2)
		return 0;
	kept_name(st, kept);
	t->kept = true;
	return linkat(t->side->fd, REMADE, t->side->fd, kept, 0) < 0 ? -errno : 0;
}

static int remake(struct tagging *t, const char *name, const struct stat *st)
{
	int r = open_side(t);

	if (r < 0)
		return r;
	r = link_again(t, st);
	if (r == 0) {
		r = make_whole(t, name, st);
		if (r == 0)
			r = keep(t, st);
	}
	if (r >= 0 && renameat(t->side->fd, REMADE, t->walk.fd, name) < 0)
		r = -errno;
	return r < 0 ? fail(t, r, "make again in its project", name) : 0;
}

static int tag_file(struct tagging *t, const char *name)
{
	_cleanup_fd_ int fd = openat(t->walk.fd, name,
				     O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return fail(t, errno, "open", name);
	r = quota_set_project(fd, t->project, false, t->err);
	if (r < 0) {
		char where[TREE_WHERE_MAX];

		return error_context(t->err, "'%s'", tree_walk_where(&t->walk, name, where));
	}
	return 0;
}

static int tag_entry(struct tagging *t, const char *name)
{
	struct stat st;
	int r;

	if (fstatat(t->walk.fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return fail(t, errno, "look at", name);
	if (S_ISREG(st.st_mode))
		return tag_file(t, name);
	if (!S_ISDIR(st.st_mode))
		return remake(t, name, &st);
	r = tree_walk_enter(&t->walk, name);
	if (r == -EXDEV) /* something else is mounted there */
		return 0;
	if (r < 0)
		return fail(t, r, "enter", name);
	return quota_set_project(t->walk.fd, t->project, true, t->err);
}

static int tag_below(struct tagging *t, int dir_fd)
{
	int r = tree_walk_open_unsorted(&t->walk, dir_fd);

	if (r < 0)
		return error_errno(t->err, r, "read a directory to tag");
	while (r >= 0) {
		const char *name = tree_walk_next(&t->walk);

		if (name) {
			r = tag_entry(t, name);
			continue;
		}
		r = tree_walk_leave(&t->walk);
		if (r == 0)
			return 0;
		if (r < 0)
			return error_errno(t->err, r, "come back from a directory that was tagged");
	}
	return r;
}

/*
 * A directory that hands its project on takes no name of another one (xfs_rename: EXDEV): while its links are made again it
 * keeps its project, and hands it on to nobody.
 */
static int let_in(int dir_fd, struct error *err)
{
	uint32_t project;
	bool inherit;
	int r = quota_get_project(dir_fd, &project, &inherit, err);

	return r < 0 || !inherit ? r : quota_set_project(dir_fd, project, false, err);
}

int tag_tree(int dir_fd, struct tag_side *side, uint32_t project, struct error *err)
{
	struct tagging t = { .walk = TREE_WALK_INIT, .side = side, .project = project, .err = err };
	int r = tag_holds(dir_fd, project, err);

	if (r == 0) {
		r = let_in(dir_fd, err);
		if (r == 0)
			r = tag_below(&t, dir_fd);
		tree_walk_release(&t.walk);
		if (r == 0)
			r = quota_set_project(dir_fd, project, true, err);
		if (r == 0)
			r = tag_holds(dir_fd, project, err);
		if (r == 0)
			r = error_set(err, EIO, "a directory that was put into project %u is not in it",
				      project);
	}
	return r < 0 ? r : 0;
}
