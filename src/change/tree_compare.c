#include "change/tree_compare.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "sys/tree_walk.h"
#include "change/tree_xattr.h"

#define BLOCK ((size_t)128 << 10)

struct comparison {
	struct tree_walk a, b;	     /* the original, the copy */
	struct inode_map to_b, to_a; /* files with several names */
	char *a_block, *b_block;
	const struct progress *progress;
	uint64_t done, total;
	struct error *err;
};

static void comparison_release(struct comparison *c)
{
	tree_walk_release(&c->a);
	tree_walk_release(&c->b);
	inode_map_release(&c->to_b);
	inode_map_release(&c->to_a);
	free(c->a_block);
	free(c->b_block);
}

static int differ(struct comparison *c, const char *name, const char *what)
{
	char where[TREE_WHERE_MAX];

	return error_set(c->err, EBADMSG, "'%s' is not the same in the copy: %s",
			 tree_walk_where(&c->a, name, where), what);
}

static int fail(struct comparison *c, const char *name, int r)
{
	char where[TREE_WHERE_MAX];

	return error_errno(c->err, r, "compare '%s'", tree_walk_where(&c->a, name, where));
}

/* ---- attributes ---- */

static int compare_stat(struct comparison *c, const char *name, const struct stat *a,
			const struct stat *b)
{
	char what[160];

	if ((a->st_mode & S_IFMT) != (b->st_mode & S_IFMT))
		return differ(c, name, "it is of another type");
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid) {
		(void)snprintf(what, sizeof(what), "its owner is %u:%u, not %u:%u", b->st_uid,
			       b->st_gid, a->st_uid, a->st_gid);
		return differ(c, name, what);
	}
	if (a->st_mode != b->st_mode) {
		(void)snprintf(what, sizeof(what), "its mode is %04o, not %04o", b->st_mode & 07777,
			       a->st_mode & 07777);
		return differ(c, name, what);
	}
	if (!S_ISDIR(a->st_mode) && a->st_size != b->st_size) {
		(void)snprintf(what, sizeof(what), "its size is %jd, not %jd", (intmax_t)b->st_size,
			       (intmax_t)a->st_size);
		return differ(c, name, what);
	}
	if ((S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) && a->st_rdev != b->st_rdev) {
		(void)snprintf(what, sizeof(what), "its device number is %u:%u, not %u:%u",
			       major(b->st_rdev), minor(b->st_rdev), major(a->st_rdev),
			       minor(a->st_rdev));
		return differ(c, name, what);
	}
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
		return differ(c, name, "its time of last change is another");
	return 0;
}

static int compare_xattrs(struct comparison *c, const char *name)
{
	_cleanup_free_ char *xattr = NULL;
	char what[320];
	int r = tree_xattr_compare(c->a.fd, c->b.fd, name, &xattr);

	if (r < 0)
		return fail(c, name, r);
	if (r == 0)
		return 0;
	(void)snprintf(what, sizeof(what), "its extended attribute %s is missing or another",
		       xattr);
	return differ(c, name, what);
}

/* 1: this file was compared under another of its names. */
static int compare_names_of_one(struct comparison *c, const char *name, const struct stat *a,
				const struct stat *b)
{
	struct inode_id a_id = inode_id_of(a), b_id = inode_id_of(b), other;
	int to_b, to_a;

	if (S_ISDIR(a->st_mode) || (a->st_nlink == 1 && b->st_nlink == 1))
		return 0;
	to_b = inode_map_add(&c->to_b, a_id, b_id, &other);
	if (to_b == 0 && !inode_id_equal(other, b_id))
		return differ(c, name, "it is no longer a hard link of the same file");
	to_a = inode_map_add(&c->to_a, b_id, a_id, &other);
	if (to_a == 0 && !inode_id_equal(other, a_id))
		return differ(c, name, "it became a hard link of another file");
	if (to_a < 0 || to_b < 0)
		return fail(c, name, -ENOMEM);
	return to_b == 0;
}

/* ---- content ---- */

static int compare_link(struct comparison *c, const char *name)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n = readlinkat(c->a.fd, name, a, sizeof(a));
	ssize_t m = n < 0 ? -1 : readlinkat(c->b.fd, name, b, sizeof(b));

	if (n < 0 || m < 0)
		return fail(c, name, -errno);
	return n == m && memcmp(a, b, (size_t)n) == 0 ? 0 : differ(c, name, "it points elsewhere");
}

static ssize_t read_block(int fd, char *block)
{
	size_t len = 0;

	while (len < BLOCK) {
		ssize_t n = read(fd, block + len, BLOCK - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int compare_bytes(struct comparison *c, const char *name, int a, int b)
{
	for (uint64_t offset = 0;; offset += BLOCK) {
		ssize_t n = read_block(a, c->a_block);
		ssize_t m = n < 0 ? n : read_block(b, c->b_block);
		char what[80];

		if (n < 0 || m < 0)
			return fail(c, name, (int)MIN_OF(n, m));
		if (n != m || memcmp(c->a_block, c->b_block, (size_t)n) != 0) {
			(void)snprintf(what, sizeof(what),
				       "its content differs in the 128 KiB from byte %ju on",
				       (uintmax_t)offset);
			return differ(c, name, what);
		}
		c->done += (uint64_t)n;
		progress_bytes(c->progress, MIN_OF(c->done, c->total), c->total);
		if ((size_t)n < BLOCK)
			return 0;
	}
}

static int open_to_read(int dir, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(dir, name, flags | O_NOATIME);

	if (fd < 0 && errno == EPERM) /* not ours and no CAP_FOWNER */
		fd = openat(dir, name, flags);
	return fd < 0 ? -errno : fd;
}

static int compare_files(struct comparison *c, const char *name)
{
	_cleanup_fd_ int a = open_to_read(c->a.fd, name);
	_cleanup_fd_ int b = open_to_read(c->b.fd, name);

	if (a < 0 || b < 0)
		return fail(c, name, a < 0 ? a : b);
	/* What was synced is dropped from memory, so that the disk is what answers. */
	(void)posix_fadvise(b, 0, 0, POSIX_FADV_DONTNEED);
	(void)posix_fadvise(a, 0, 0, POSIX_FADV_SEQUENTIAL);
	(void)posix_fadvise(b, 0, 0, POSIX_FADV_SEQUENTIAL);
	return compare_bytes(c, name, a, b);
}

/* ---- the walk ---- */

static int compare_name_lists(struct comparison *c)
{
	const struct strv *a = tree_walk_names(&c->a), *b = tree_walk_names(&c->b);

	for (size_t i = 0; i < MAX_OF(a->len, b->len); i++) {
		const char *x = i < a->len ? a->items[i] : NULL;
		const char *y = i < b->len ? b->items[i] : NULL;

		if (x && y && strcmp(x, y) == 0)
			continue;
		if (!y || (x && strcmp(x, y) < 0))
			return differ(c, x, "it is missing there");
		return differ(c, y, "it is only there");
	}
	return 0;
}

static int enter(struct comparison *c, const char *name)
{
	int r = tree_walk_enter(&c->a, name);

	if (r == -EXDEV)
		return error_set(c->err, EXDEV, "something is mounted on '%s'", name);
	if (r == 0)
		r = tree_walk_enter(&c->b, name);
	return r < 0 ? fail(c, name, r) : compare_name_lists(c);
}

static int compare_entry(struct comparison *c, const char *name)
{
	struct stat a, b;
	int r;

	if (fstatat(c->a.fd, name, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(c->b.fd, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(c, name, -errno);
	r = compare_stat(c, name, &a, &b);
	if (r == 0)
		r = compare_names_of_one(c, name, &a, &b);
	if (r != 0)
		return r < 0 ? r : 0;
	r = compare_xattrs(c, name);
	if (r < 0)
		return r;
	if (S_ISDIR(a.st_mode))
		return strcmp(name, ".") == 0 ? compare_name_lists(c) : enter(c, name);
	if (S_ISLNK(a.st_mode))
		return compare_link(c, name);
	return S_ISREG(a.st_mode) ? compare_files(c, name) : 0;
}

static int compare_all(struct comparison *c)
{
	int r = compare_entry(c, ".");

	while (r >= 0) {
		const char *name = tree_walk_next(&c->a);

		(void)tree_walk_next(&c->b);
		if (name) {
			r = compare_entry(c, name);
			continue;
		}
		r = tree_walk_leave(&c->a);
		if (r == 0)
			return 0;
		if (r > 0)
			r = tree_walk_leave(&c->b);
		if (r < 0)
			return fail(c, "..", r);
	}
	return r;
}

int tree_compare(int original, int copy, uint64_t total, const struct progress *progress,
		 struct error *err)
{
	_cleanup_(comparison_release) struct comparison c = {
		.a = TREE_WALK_INIT,
		.b = TREE_WALK_INIT,
		.a_block = malloc(BLOCK),
		.b_block = malloc(BLOCK),
		.progress = progress,
		.total = total,
		.err = err,
	};
	int r = tree_walk_open(&c.a, original);

	if (r == 0)
		r = tree_walk_open(&c.b, copy);
	if (r == 0 && (!c.a_block || !c.b_block))
		r = -ENOMEM;
	return r < 0 ? error_errno(err, r, "compare two trees") : compare_all(&c);
}
