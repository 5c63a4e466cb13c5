#include "change/xfs_format.h"

#include <fcntl.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "sys/blkprobe.h"

#define EDGE	    ((size_t)1 << 20)
#define UUID_TEXT   36
#define UUID_RAW    16
#define SB_UUID	    32 /* offsets in an XFS superblock (xfs_dsb), and its first four bytes */
#define SB_PROGRESS 126
#define SB_MAGIC    "XFSB"

int xfs_format(const struct host *host, const char *path, const char *uuid, struct error *err)
{
	_cleanup_free_ char *real = host_real_path(host, path);
	_cleanup_free_ char *meta = xasprintf("crc=1,reflink=1,uuid=%s", uuid);
	/* -K: a new image or volume has nothing to discard, and on some disks it takes minutes. */
	const char *const argv[] = { "mkfs.xfs", "-q", "-K",	  "-s", "size=4096", "-m",
				     meta,	 "-n", "ftype=1", real, NULL };
	struct spawn_options options = { .timeout_ms = 600000 };
	int r;

	if (!real || !meta)
		return error_errno(err, ENOMEM, "format '%s'", path);
	r = host_check(host, argv, &options, NULL, err);
	return r < 0 ? error_context(err, "make an XFS in '%s'", path) : 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int parse_uuid(const char *text, unsigned char ret[static UUID_RAW])
{
	size_t n = 0;

	if (strlen(text) != UUID_TEXT)
		return -EINVAL;
	for (const char *p = text; *p && n < (size_t)2 * UUID_RAW; p++) {
		int digit = hex_digit(*p);

		if (*p == '-')
			continue;
		if (digit < 0)
			return -EINVAL;
		ret[n / 2] = (unsigned char)(n % 2 ? ret[n / 2] | digit : digit << 4);
		n++;
	}
	return n == (size_t)2 * UUID_RAW ? 0 : -EINVAL;
}

/* The first MiB, or less where there is less. */
static int read_start(int fd, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *start = malloc(EDGE);
	size_t len = 0;

	if (!start)
		return -ENOMEM;
	while (len < EDGE) {
		ssize_t n = pread(fd, start + len, EDGE - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret = TAKE_PTR(start);
	*ret_len = len;
	return 0;
}

static bool is_complete(const char *start, size_t len, const unsigned char *uuid)
{
	return len > SB_PROGRESS && memcmp(start, SB_MAGIC, 4) == 0 &&
	       memcmp(start + SB_UUID, uuid, UUID_RAW) == 0 && start[SB_PROGRESS] == 0;
}

static int look(int fd, const char *text, unsigned char uuid[static UUID_RAW], char **ret_start,
		size_t *ret_len, struct error *err)
{
	int r = parse_uuid(text, uuid);

	if (r < 0)
		return error_set(err, EINVAL, "'%.80s' is not a UUID", text);
	r = read_start(fd, ret_start, ret_len);
	return r < 0 ? error_errno(err, r, "read the first MiB") : 0;
}

int xfs_is_ours(int fd, const char *uuid, struct error *err)
{
	_cleanup_free_ char *start = NULL;
	unsigned char raw[UUID_RAW] = { 0 };
	struct blkprobe found;
	size_t len = 0;
	int r = look(fd, uuid, raw, &start, &len, err);

	if (r == 0)
		r = blkprobe_fd(fd, &found, err);
	if (r < 0)
		return r;
	return strcmp(found.type, "xfs") == 0 && !found.damaged && is_complete(start, len, raw);
}

int xfs_is_half_made(int fd, const char *uuid, struct error *err)
{
	_cleanup_free_ char *start = NULL;
	unsigned char raw[UUID_RAW] = { 0 };
	size_t len = 0;
	int r = look(fd, uuid, raw, &start, &len, err);

	if (r < 0)
		return r;
	return start && !is_complete(start, len, raw) && memmem(start, len, raw, UUID_RAW) != NULL;
}

int xfs_check(const struct host *host, const char *path, struct error *err)
{
	_cleanup_free_ char *real = host_real_path(host, path);
	const char *const argv[] = { "xfs_repair", "-n", real, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 600000 };
	int r = real ? host_run(host, argv, &options, &result, err)
		     : error_errno(err, ENOMEM, "check '%s'", path);

	if (r < 0)
		return r;
	return result.exit_code == 0 ? 0
				     : error_set(err, EUCLEAN,
						 "the XFS in '%s' is not whole "
						 "(`xfs_repair -n` says what is wrong)",
						 path);
}

static int zero(int fd, uint64_t from, uint64_t to)
{
	static const char ZEROS[65536];

	while (from < to) {
		ssize_t n =
			pwrite(fd, ZEROS, (size_t)MIN_OF(to - from, sizeof(ZEROS)), (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += (uint64_t)n;
	}
	return 0;
}

int xfs_wipe(int fd, struct error *err)
{
	off_t end = lseek(fd, 0, SEEK_END);
	uint64_t size = end > 0 ? (uint64_t)end : 0;
	int r = end < 0 ? -errno : 0;

	/* The end first: as long as the start says what it was, a cut can be told and repeated. */
	if (r == 0)
		r = zero(fd, size > EDGE ? size - EDGE : 0, size);
	if (r == 0)
		r = zero(fd, 0, MIN_OF(size, (uint64_t)EDGE));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? error_errno(err, r, "zero its first and last MiB") : 0;
}
