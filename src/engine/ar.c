#include "engine/ar.h"

#include <sys/stat.h>

#define MAGIC	  "!<arch>\n"
#define MAGIC_LEN ((size_t)8)

struct ar_header {
	char name[16];
	char mtime[12];
	char uid[6];
	char gid[6];
	char mode[8];
	char size[10];
	char end[2];
};

_Static_assert(sizeof(struct ar_header) == 60, "a member's header has no gaps");

/* All of it, or -EBADMSG where the file ends before. */
static int read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

int ar_open(int fd, struct ar *ret)
{
	char magic[MAGIC_LEN];
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : read_at(fd, magic, MAGIC_LEN, 0);

	if (r < 0)
		return r;
	if (memcmp(magic, MAGIC, MAGIC_LEN) != 0)
		return -EBADMSG;
	*ret = (struct ar){ .fd = fd, .at = MAGIC_LEN, .end = (uint64_t)st.st_size };
	return 0;
}

/* Decimal digits, then blanks to the field's end. Ten digits fit. */
static int get_size(const char *field, size_t len, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < len && field[i] >= '0' && field[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(field[i] - '0');
	if (i == 0)
		return -EBADMSG;
	*ret = value;
	for (; i < len; i++) {
		if (field[i] != ' ')
			return -EBADMSG;
	}
	return 0;
}

static int get_name(const char *field, size_t len, char ret[static AR_NAME_MAX])
{
	while (len && field[len - 1] == ' ')
		len--;
	if (len > 1 && field[len - 1] == '/')
		len--;
	if (!len || memchr(field, '\0', len))
		return -EBADMSG;
	memcpy(ret, field, len);
	ret[len] = '\0';
	return 0;
}

int ar_next(struct ar *ar, struct ar_member *ret)
{
	struct ar_member member = { 0 };
	struct ar_header header;
	int r;

	if (ar->at >= ar->end)
		return 0;
	r = read_at(ar->fd, &header, sizeof(header), ar->at);
	if (r == 0 && memcmp(header.end, "`\n", sizeof(header.end)) != 0)
		r = -EBADMSG;
	if (r == 0)
		r = get_size(header.size, sizeof(header.size), &member.size);
	if (r == 0)
		r = get_name(header.name, sizeof(header.name), member.name);
	if (r < 0)
		return r;
	member.offset = ar->at + sizeof(header);
	if (member.offset > ar->end || member.size > ar->end - member.offset)
		return -EBADMSG;
	/* Each begins at an even place; the last one's filling may be missing. */
	ar->at = member.offset + member.size + (member.size & 1);
	*ret = member;
	return 1;
}

static int refuse(const char *what, int r, struct error *err)
{
	if (r != -EBADMSG)
		return error_errno(err, r, "read '%s'", what);
	return error_set(err, EBADMSG,
			 "'%s' is not a whole Debian package (truncated?): get it again", what);
}

/* "2.0" and the like: the first number is that of the form. */
static int check_version(const struct ar *ar, const struct ar_member *first)
{
	char version[2];

	if (strcmp(first->name, "debian-binary") != 0 || first->size < sizeof(version))
		return -EBADMSG;
	if (read_at(ar->fd, version, sizeof(version), first->offset) < 0)
		return -EBADMSG;
	return memcmp(version, "2.", sizeof(version)) == 0 ? 0 : -EBADMSG;
}

int deb_find_data(int fd, const char *what, struct ar_member *ret, struct error *err)
{
	static const char *const NAMES[] = { "data.tar", "data.tar.gz", "data.tar.xz",
					     "data.tar.zst" };
	struct ar_member member;
	struct ar ar;
	int r = ar_open(fd, &ar);

	if (r == 0)
		r = ar_next(&ar, &member);
	if (r >= 0)
		r = r ? check_version(&ar, &member) : -EBADMSG;
	while (r >= 0) {
		r = ar_next(&ar, &member);
		if (r <= 0)
			return refuse(what, r < 0 ? r : -EBADMSG, err);
		if (strncmp(member.name, "data.tar", 8) == 0)
			break;
	}
	if (r < 0)
		return refuse(what, r, err);
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (strcmp(member.name, NAMES[i]) == 0) {
			*ret = member;
			return 0;
		}
	}
	return error_set(err, EPROTONOSUPPORT,
			 "'%s' has its files in '%s', which berth does not unpack", what,
			 member.name);
}
