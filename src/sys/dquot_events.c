#include "sys/dquot_events.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/quota.h>
#include <poll.h>
#include <sys/socket.h>

#define FAMILY	  "VFS_DQUOT"
#define GROUP	  "events"
#define PROJECTS  2    /* PRJQUOTA, as QUOTA_NL_A_QTYPE has it */
#define ANSWER_MS 1000 /* the kernel answers within the call that asks */
#define BUFFER	  8192

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

/* ---- attributes ---- */

static const struct nlattr *next_attr(const struct nlattr *attr, size_t *left)
{
	size_t step = NLA_ALIGN((size_t)attr->nla_len);

	if (step >= *left)
		return NULL;
	*left -= step;
	return (const void *)((const char *)attr + step);
}

/* Is there a whole attribute? */
static bool is_attr(const struct nlattr *attr, size_t left)
{
	return attr && left >= sizeof(*attr) && attr->nla_len >= sizeof(*attr) && attr->nla_len <= left;
}

static const void *payload(const struct nlattr *attr, size_t *ret_len)
{
	*ret_len = attr->nla_len - (size_t)NLA_HDRLEN;
	return (const char *)attr + NLA_HDRLEN;
}

/* An unsigned number of 4 or 8 bytes; 0 for anything else. */
static uint64_t number(const struct nlattr *attr)
{
	size_t len;
	const void *data = payload(attr, &len);
	uint64_t wide = 0;
	uint32_t narrow = 0;

	if (len == sizeof(wide))
		memcpy(&wide, data, sizeof(wide));
	else if (len == sizeof(narrow))
		memcpy(&narrow, data, sizeof(narrow));
	return wide | narrow;
}

static bool is_text(const struct nlattr *attr, const char *text)
{
	size_t len;
	const char *data = payload(attr, &len);

	return len == strlen(text) + 1 && memcmp(data, text, len) == 0;
}

/* ---- the family ---- */

struct family {
	uint16_t id;
	uint32_t group;
};

/* {name, id} of one multicast group. */
static void read_group(const struct nlattr *attr, struct family *ret)
{
	size_t left;
	const struct nlattr *a = payload(attr, &left);
	bool ours = false;
	uint32_t id = 0;

	for (; is_attr(a, left); a = next_attr(a, &left)) {
		if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GRP_NAME)
			ours = is_text(a, GROUP);
		if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GRP_ID)
			id = (uint32_t)number(a);
	}
	if (ours)
		ret->group = id;
}

static void read_groups(const struct nlattr *attr, struct family *ret)
{
	size_t left;
	const struct nlattr *a = payload(attr, &left);

	for (; is_attr(a, left); a = next_attr(a, &left))
		read_group(a, ret);
}

/* The attributes behind the two headers; NULL: an error of the kernel's, in `ret_error`. */
static const struct nlattr *body(const struct nlmsghdr *message, size_t len, size_t *ret_left,
				 int *ret_error)
{
	const size_t head = NLMSG_HDRLEN + GENL_HDRLEN;

	*ret_error = -EPROTO;
	if (len < sizeof(*message) || message->nlmsg_len > len)
		return NULL;
	if (message->nlmsg_type == NLMSG_ERROR && message->nlmsg_len >= NLMSG_HDRLEN + sizeof(int))
		memcpy(ret_error, (const char *)message + NLMSG_HDRLEN, sizeof(int));
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_len < head)
		return NULL;
	*ret_left = message->nlmsg_len - head;
	return (const void *)((const char *)message + head);
}

static int find_family(int fd, struct family *ret)
{
	struct {
		struct nlmsghdr head;
		struct genlmsghdr generic;
		struct nlattr attr;
		char name[NLA_ALIGN(sizeof(FAMILY))];
	} ask = {
		.head = { .nlmsg_len = sizeof(ask), .nlmsg_type = GENL_ID_CTRL, .nlmsg_flags = NLM_F_REQUEST },
		.generic = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
		.attr = { .nla_len = NLA_HDRLEN + sizeof(FAMILY), .nla_type = CTRL_ATTR_FAMILY_NAME },
		.name = FAMILY,
	};
	_Alignas(struct nlmsghdr) char answer[BUFFER];
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	const struct nlattr *a;
	size_t left = 0;
	ssize_t n;
	int r;

	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	if (poll(&wait, 1, ANSWER_MS) != 1)
		return -ETIMEDOUT;
	n = recv(fd, answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	*ret = (struct family){ 0 };
	a = body((const void *)answer, (size_t)n, &left, &r);
	if (!a)
		return r;
	for (; is_attr(a, left); a = next_attr(a, &left)) {
		if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_FAMILY_ID) {
			size_t len;
			const void *data = payload(a, &len);

			memcpy(&ret->id, data, MIN_OF(len, sizeof(ret->id)));
		} else if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_MCAST_GROUPS) {
			read_groups(a, ret);
		}
	}
	return ret->group ? 0 : -ENOENT;
}

int dquot_events_open(int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	struct family family;
	int r;

	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0)
		return error_errno(err, errno, "open a netlink socket for quota warnings");
	r = find_family(fd, &family);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "this kernel sends no quota warnings (CONFIG_QUOTA_NETLINK_INTERFACE)");
	if (r < 0)
		return error_errno(err, r, "find the kernel's quota warnings");
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.group, sizeof(family.group)) < 0)
		return error_errno(err, errno, "listen to the kernel's quota warnings");
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* ---- events ---- */

/* 1: about a project's limit. */
static int parse_one(const struct nlattr *a, size_t left, struct dquot_event *ret)
{
	uint64_t type = 0, id = 0, warning = 0;

	*ret = (struct dquot_event){ 0 };
	for (; is_attr(a, left); a = next_attr(a, &left)) {
		switch (a->nla_type & NLA_TYPE_MASK) {
		case QUOTA_NL_A_QTYPE: type = number(a); break;
		case QUOTA_NL_A_EXCESS_ID: id = number(a); break;
		case QUOTA_NL_A_WARNING: warning = number(a); break;
		case QUOTA_NL_A_DEV_MAJOR: ret->device_major = (unsigned)number(a); break;
		case QUOTA_NL_A_DEV_MINOR: ret->device_minor = (unsigned)number(a); break;
		default: break;
		}
	}
	ret->project = (uint32_t)id;
	ret->inodes = warning <= QUOTA_NL_ISOFTWARN;
	ret->hard = warning != QUOTA_NL_ISOFTWARN && warning != QUOTA_NL_BSOFTWARN;
	return type == PROJECTS && warning >= QUOTA_NL_IHARDWARN && warning <= QUOTA_NL_BSOFTWARN;
}

int dquot_events_parse(const void *data, size_t len, struct dquot_event *ret, size_t cap)
{
	const struct nlmsghdr *message = data;
	size_t count = 0;

	while (count < cap && len >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= len) {
		size_t left, step = MIN_OF((size_t)NLMSG_ALIGN(message->nlmsg_len), len);
		int r;
		const struct nlattr *a = body(message, len, &left, &r);

		if (a && parse_one(a, left, &ret[count]) > 0)
			count++;
		len -= step;
		message = (const void *)((const char *)message + step);
	}
	return (int)count;
}

int dquot_events_read(int fd, struct dquot_event *ret, size_t cap)
{
	_Alignas(struct nlmsghdr) char buf[BUFFER];

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);
		int count;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0) /* any process may send to us; the kernel is 0 */
			continue;
		count = dquot_events_parse(buf, (size_t)n, ret, cap);
		if (count)
			return count;
	}
}
