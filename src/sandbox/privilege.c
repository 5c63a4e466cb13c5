#include "sandbox/privilege.h"

#include <endian.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fault.h"

#define MARK "trusted.berth.privilege"
#define CAPS "security.capability"

/* The attribute: the mode, and the capabilities behind it. */
struct mark {
	uint32_t mode; /* little-endian */
	unsigned char caps[PRIVILEGE_CAPS_MAX];
};

int privilege_find_mark(const char *path, struct privilege *ret)
{
	struct mark mark;
	ssize_t n = lgetxattr(path, MARK, &mark, sizeof(mark));

	if (n < 0)
		return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
	if ((size_t)n < sizeof(mark.mode))
		return 0;
	*ret = (struct privilege){ .mode = le32toh(mark.mode), .marked = true,
				   .caps_len = (size_t)n - sizeof(mark.mode) };
	memcpy(ret->caps, mark.caps, ret->caps_len);
	return 1;
}

int privilege_read(const char *path, uint32_t mode, struct privilege *ret)
{
	struct privilege now = { .mode = mode & 07777 };
	ssize_t n = lgetxattr(path, CAPS, now.caps, sizeof(now.caps));

	if (n < 0 && errno != ENODATA && errno != ENOTSUP)
		return -errno;
	now.caps_len = n > 0 ? (size_t)n : 0;
	if (!now.caps_len && !(mode & (S_ISUID | S_ISGID)))
		return 0;
	*ret = now;
	return 1;
}

int privilege_mark(const char *path, struct privilege *privilege)
{
	struct mark mark = { .mode = htole32(privilege->mode) };

	memcpy(mark.caps, privilege->caps, privilege->caps_len);
	if (lsetxattr(path, MARK, &mark, sizeof(mark.mode) + privilege->caps_len, 0) == 0)
		privilege->marked = true;
	else if (errno != ENOTSUP && errno != ENOSPC && errno != EDQUOT)
		return -errno;
	fault_point("heal:mark");
	return 0;
}

int privilege_restore(const char *path, const struct privilege *privilege)
{
	fault_point("heal:owner");
	if (chmod(path, privilege->mode) < 0)
		return -errno;
	fault_point("heal:mode");
	if (privilege->caps_len && lsetxattr(path, CAPS, privilege->caps, privilege->caps_len, 0) < 0)
		return -errno;
	fault_point("heal:restored");
	return privilege->marked && lremovexattr(path, MARK) < 0 ? -errno : 0;
}
