#include "change/pool_space.h"

#include "base/strbuf.h"
#include "base/units.h"

static const char *const TYPES[] = { "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay" };

/* "ext4 107374182400 85899345920" */
static int parse_fact(const char *fact, struct fsinfo *ret)
{
	_cleanup_(strv_release) struct strv words = STRV_INIT;
	struct fsinfo fs = { .inodes_available = UINT64_MAX, .type = "unknown" };

	if (strv_split(&words, fact, " ") < 0 || words.len != 3 ||
	    u64_parse(words.items[1], &fs.total) < 0 ||
	    u64_parse(words.items[2], &fs.available) < 0)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(TYPES); i++) {
		if (strcmp(words.items[0], TYPES[i]) == 0)
			fs.type = TYPES[i];
	}
	fs.volatile_memory = strcmp(fs.type, "tmpfs") == 0 || strcmp(fs.type, "ramfs") == 0;
	*ret = fs;
	return 1;
}

/* 1: recorded, 0: not. */
static int recorded(const struct host *host, const char *path, struct fsinfo *ret)
{
	_cleanup_free_ char *dir = strdup(path);
	char *slash;

	if (!dir)
		return -ENOMEM;
	while (host_is_rooted(host) && (slash = strrchr(dir, '/'))) {
		_cleanup_free_ char *key = NULL;
		_cleanup_free_ char *fact = NULL;

		*slash = '\0';
		key = xasprintf("filesystem:%s", *dir ? dir : "/");
		if (!key)
			return -ENOMEM;
		fact = host_fact(host, key);
		if (fact)
			return parse_fact(fact, ret);
	}
	return 0;
}

int pool_space(const struct host *host, const char *path, struct fsinfo *ret, struct error *err)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);
	int r = recorded(host, path, ret);

	if (dir == -ENOENT)
		return error_set(err, ENOENT, "the directory '%s' is to lie in does not exist",
				 path);
	if (r < 0)
		return error_errno(err, r, "read the recorded file system of '%s'", path);
	if (r > 0)
		return 0;
	if (dir < 0)
		return error_errno(err, dir, "open the directory of '%s'", path);
	return fsinfo_fd(dir, ret, err);
}

static int no_room(const char *path, const char *how, uint64_t need, uint64_t reserve,
		   const struct fsinfo *fs, struct error *err)
{
	char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];

	return error_set(err, ENOSPC,
			 "no room for '%s': %s needs %s and a reserve of %s, and %s are "
			 "free on the %s file system it lies on",
			 path, how, size_format(need, a), size_format(reserve, b),
			 size_format(fs->available, c), fs->type);
}

static bool fits(uint64_t need, uint64_t reserve, const struct fsinfo *fs)
{
	return need <= fs->available && reserve <= fs->available - need;
}

static int refuse_always(const char *path, uint64_t size, const struct fsinfo *fs,
			 struct error *err)
{
	char a[UNITS_MAX], b[UNITS_MAX];

	if (fs->volatile_memory)
		return error_set(err, EMEDIUMTYPE,
				 "'%s' would lie on %s, in memory: it would be gone "
				 "after a reboot",
				 path, fs->type);
	if (size < POOL_IMAGE_MIN)
		return error_set(err, EINVAL, "a pool of %s is too small: XFS needs %s",
				 size_format(size, a), size_format(POOL_IMAGE_MIN, b));
	if (size > fs->total)
		return error_set(err, ERANGE,
				 "a pool of %s is larger than the disk: '%s' lies on a "
				 "file system of %s",
				 size_format(size, a), path, size_format(fs->total, b));
	return 0;
}

int pool_space_choose(const char *path, const char *mode, uint64_t size, uint64_t reserve,
		      const struct fsinfo *fs, struct error *err)
{
	bool automatic = strcmp(mode, "auto") == 0;
	bool full = strcmp(mode, "full") == 0;
	int r = refuse_always(path, size, fs, err);

	if (r < 0)
		return r;
	if (!automatic && !full && strcmp(mode, "sparse") != 0)
		return error_set(err, EINVAL,
				 "a pool is allocated 'auto', 'full' or 'sparse', not '%s'", mode);
	if ((automatic || full) && fits(size, reserve, fs))
		return 1;
	if (full)
		return no_room(path, "allocated in full it", size, reserve, fs, err);
	if (!fits(POOL_SPARSE_MIN, reserve, fs))
		return no_room(path, "even a sparse image", POOL_SPARSE_MIN, reserve, fs, err);
	return 0;
}
