#include "sandbox/heal.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/lines.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "sandbox/privilege.h"
#include "sys/tree_walk.h"

#define USER	   "sysbox:"
#define RANGES_MAX 64
#define ACL_MAX	   65536

struct range {
	uint64_t first, count;
};

struct ranges {
	struct range items[RANGES_MAX];
	size_t len;
};

/* "sysbox:100000:65536" */
static int note_range(void *userdata, const char *line, size_t len)
{
	struct ranges *ranges = userdata;
	char first[24];
	const char *colon;
	struct range range;

	(void)len;
	if (strncmp(line, USER, strlen(USER)) != 0 || ranges->len == RANGES_MAX)
		return 0;
	line += strlen(USER);
	colon = strchr(line, ':');
	if (!colon || (size_t)(colon - line) >= sizeof(first))
		return 0;
	memcpy(first, line, (size_t)(colon - line));
	first[colon - line] = '\0';
	if (u64_parse(first, &range.first) == 0 && u64_parse(colon + 1, &range.count) == 0)
		ranges->items[ranges->len++] = range;
	return 0;
}

static int read_ranges(const char *path, struct ranges *ret, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : lines_read_fd(fd, note_range, ret);

	return r < 0 ? error_errno(err, r, "read '%s'", path) : 0;
}

static bool in_both(const struct range *range, const struct ranges *others)
{
	for (size_t i = 0; i < others->len; i++) {
		if (others->items[i].first == range->first && others->items[i].count == range->count)
			return true;
	}
	return false;
}

int heal_base(const char *subuid, const char *subgid, uint32_t *ret_base, struct error *err)
{
	struct ranges uids = { .len = 0 }, gids = { .len = 0 };
	uint64_t base = UINT64_MAX;
	int r = read_ranges(subuid, &uids, err);

	if (r == 0)
		r = read_ranges(subgid, &gids, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < uids.len; i++) {
		const struct range *range = &uids.items[i];

		if (range->count >= HEAL_RANGE && range->first < base && in_both(range, &gids))
			base = range->first;
	}
	/* Below that the two ranges overlap, and what is shifted could not be told from what is not. */
	if (base < HEAL_RANGE || base > UINT32_MAX - HEAL_RANGE)
		return error_set(err, ENOENT, "user sysbox has no range of %u ids in both '%s' and '%s'",
				 HEAL_RANGE, subuid, subgid);
	*ret_base = (uint32_t)base;
	return 0;
}

static bool is_shifted(uint32_t id, uint32_t base)
{
	return id >= base && id - base < HEAL_RANGE;
}

static uint32_t unshift(uint32_t id, uint32_t base)
{
	return is_shifted(id, base) ? id - base : id;
}

int heal_needed(int dir_fd, uint32_t base, struct error *err)
{
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return error_errno(err, errno, "look at an upper directory");
	return is_shifted(st.st_uid, base) || is_shifted(st.st_gid, base);
}

/* linux/posix_acl_xattr.h: all little-endian. */
struct acl_header {
	uint32_t version;
};
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
#define ACL_VERSION 2
#define ACL_USER    0x02
#define ACL_GROUP   0x08

int heal_acl(void *value, size_t size, uint32_t base)
{
	struct acl_header header;
	struct acl_entry entry;
	char *at = value;
	int changed = 0;

	if (size < sizeof(header) || (size - sizeof(header)) % sizeof(entry))
		return -EINVAL;
	memcpy(&header, at, sizeof(header));
	if (le32toh(header.version) != ACL_VERSION)
		return -EINVAL;
	for (size_t i = sizeof(header); i < size; i += sizeof(entry)) {
		uint16_t tag;

		memcpy(&entry, at + i, sizeof(entry));
		tag = le16toh(entry.tag);
		if ((tag != ACL_USER && tag != ACL_GROUP) || !is_shifted(le32toh(entry.id), base))
			continue;
		entry.id = htole32(unshift(le32toh(entry.id), base));
		memcpy(at + i, &entry, sizeof(entry));
		changed = 1;
	}
	return changed;
}

static int heal_xattr(const char *path, const char *name, uint32_t base)
{
	char value[4096];
	_cleanup_free_ char *large = NULL;
	char *at = value;
	ssize_t n = lgetxattr(path, name, value, sizeof(value));
	int r;

	if (n < 0 && errno == ERANGE) {
		large = malloc(ACL_MAX);
		if (!large)
			return -ENOMEM;
		at = large;
		n = lgetxattr(path, name, large, ACL_MAX);
	}
	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	r = heal_acl(at, (size_t)n, base);
	if (r <= 0)
		return r == -EINVAL ? 0 : r;
	return lsetxattr(path, name, at, (size_t)n, 0) < 0 ? -errno : 0;
}

static int heal_acls(const char *path, const struct stat *st, uint32_t base)
{
	int r = heal_xattr(path, "system.posix_acl_access", base);

	return r == 0 && S_ISDIR(st->st_mode) ? heal_xattr(path, "system.posix_acl_default", base) : r;
}

size_t heal_caps(void *value, size_t size, uint32_t base)
{
	struct vfs_ns_cap_data caps;
	uint32_t root;

	if (size != sizeof(caps))
		return size;
	memcpy(&caps, value, sizeof(caps));
	root = le32toh(caps.rootid);
	if ((le32toh(caps.magic_etc) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3 || !is_shifted(root, base))
		return size;
	caps.rootid = htole32(unshift(root, base));
	/* Of root itself: as they are written without a user namespace. */
	if (root == base) {
		caps.magic_etc = htole32((le32toh(caps.magic_etc) & ~VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
		size = XATTR_CAPS_SZ_2;
	}
	memcpy(value, &caps, size);
	return size;
}

/* What a change of owner would take off a file, and what a cut took off it. 1, 0: nothing. */
static int find_privilege(const char *path, const struct stat *st, bool shifted, uint32_t base, struct privilege *ret)
{
	int r = S_ISREG(st->st_mode) ? privilege_find_mark(path, ret) : 0;

	if (r != 0 || !shifted || !S_ISREG(st->st_mode))
		return r;
	r = privilege_read(path, st->st_mode, ret);
	if (r <= 0)
		return r;
	ret->caps_len = heal_caps(ret->caps, ret->caps_len, base);
	r = privilege_mark(path, ret);
	return r < 0 ? r : 1;
}

/* 1: it was shifted, 0: it was not. The ACLs first: the owner tells whether there is anything to do. */
static int heal_one(int dir, const char *name, const struct stat *st, uint32_t base)
{
	uint32_t uid = unshift(st->st_uid, base), gid = unshift(st->st_gid, base);
	_cleanup_free_ char *path = xasprintf("/proc/self/fd/%d/%s", dir, name);
	bool shifted = uid != st->st_uid || gid != st->st_gid;
	struct privilege privilege;
	int r, has;

	if (!path)
		return -ENOMEM;
	r = S_ISLNK(st->st_mode) ? 0 : heal_acls(path, st, base);
	if (r < 0)
		return r;
	has = find_privilege(path, st, shifted, base, &privilege);
	if (has < 0)
		return has;
	if (shifted && fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = has ? privilege_restore(path, &privilege) : 0;
	return r < 0 ? r : shifted;
}

static int heal_entry(struct tree_walk *walk, const char *name, uint32_t base,
		      struct heal_report *report)
{
	struct stat st;
	int r;

	if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return -errno;
	report->entries++;
	r = heal_one(walk->fd, name, &st, base);
	if (r < 0)
		return r;
	report->healed += (uint64_t)r;
	if (!S_ISDIR(st.st_mode))
		return 0;
	r = tree_walk_enter(walk, name);
	return r == -EXDEV ? 0 : r;
}

static int heal_below(struct tree_walk *walk, int dir_fd, uint32_t base, struct heal_report *report,
		      struct error *err)
{
	char where[TREE_WHERE_MAX];
	int r = tree_walk_open_unsorted(walk, dir_fd);

	while (r >= 0) {
		const char *name = tree_walk_next(walk);

		r = name ? heal_entry(walk, name, base, report) : tree_walk_leave(walk);
		if (r < 0)
			return error_errno(err, r, "heal the owner of '%s'",
					   tree_walk_where(walk, name ? name : "", where));
		if (r == 0 && !name)
			return 0;
	}
	return error_errno(err, r, "read an upper directory");
}

int heal_tree(int dir_fd, uint32_t base, struct heal_report *ret, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	struct heal_report report = { .entries = 1 };
	struct stat st;
	int r = heal_below(&walk, dir_fd, base, &report, err);

	if (r == 0 && fstat(dir_fd, &st) < 0)
		r = error_errno(err, errno, "look at an upper directory");
	if (r < 0)
		return r;
	r = heal_one(dir_fd, ".", &st, base);
	if (r < 0)
		return error_errno(err, r, "heal the owner of an upper directory");
	report.healed += (uint64_t)r;
	if (ret)
		*ret = report;
	return 0;
}
