#include "sys/blkprobe.h"

#include <blkid.h>

#define EDGE  ((uint64_t)1 << 20) /* how much of either end must be zero */
#define CHUNK 65536

static void free_probep(blkid_probe *probe)
{
	if (*probe)
		blkid_free_probe(*probe);
}

static bool all_zero(const unsigned char *p, size_t len)
{
	/* Each byte equals the one before it, and the first is zero. */
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* 1: only zeros from `from` to `to` (or to an earlier end), 0: something is there, or -errno. */
static int range_is_zero(int fd, uint64_t from, uint64_t to)
{
	_cleanup_free_ unsigned char *chunk = malloc(CHUNK);

	if (!chunk)
		return -ENOMEM;
	while (from < to) {
		ssize_t n =
			pread(fd, chunk, (size_t)MIN_OF(to - from, (uint64_t)CHUNK), (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		if (!all_zero(chunk, (size_t)n))
			return 0;
		from += (uint64_t)n;
	}
	return 1;
}

static int look_blank(int fd, uint64_t size)
{
	int r = range_is_zero(fd, 0, MIN_OF(size, EDGE));

	if (r <= 0)
		return r;
	return range_is_zero(fd, size > EDGE ? size - EDGE : 0, size);
}

static void copy_value(blkid_probe probe, const char *name, char *ret, size_t cap)
{
	const char *value = NULL;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value)
		(void)snprintf(ret, cap, "%s", value);
}

static int make_probe(int fd, blkid_probe *ret)
{
	_cleanup_(free_probep) blkid_probe probe = blkid_new_probe();

	if (!probe)
		return -ENOMEM;
	errno = 0;
	/* BADCSUM: without it a superblock with one flipped bit would read as "nothing there". */
	if (blkid_probe_set_device(probe, fd, 0, 0) != 0 ||
	    blkid_probe_enable_superblocks(probe, 1) != 0 ||
	    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID |
							     BLKID_SUBLKS_LABEL |
							     BLKID_SUBLKS_BADCSUM) != 0 ||
	    blkid_probe_enable_partitions(probe, 1) != 0)
		return errno > 0 ? -errno : -EIO;
	*ret = TAKE_PTR(probe);
	return 0;
}

int blkprobe_fd(int fd, struct blkprobe *ret, struct error *err)
{
	_cleanup_(free_probep) blkid_probe probe = NULL;
	struct blkprobe found = { 0 };
	char damaged[8] = "";
	int r = make_probe(fd, &probe);

	if (r < 0)
		return error_errno(err, r, "probe for file systems");
	found.size = (uint64_t)MAX_OF(blkid_probe_get_size(probe), 0);
	errno = 0;
	r = blkid_do_safeprobe(probe); /* 0: found, 1: nothing, -2: ambivalent, -1: error */
	if (r < 0 && r != -2)
		return error_errno(err, errno ? errno : EIO, "probe for file systems");
	found.ambivalent = r == -2;
	if (r == 0) {
		copy_value(probe, "TYPE", found.type, sizeof(found.type));
		copy_value(probe, "UUID", found.uuid, sizeof(found.uuid));
		copy_value(probe, "LABEL", found.label, sizeof(found.label));
		copy_value(probe, "PTTYPE", found.partition_table, sizeof(found.partition_table));
		copy_value(probe, "SBBADCSUM", damaged, sizeof(damaged));
		found.damaged = damaged[0] != '\0';
	}
	r = look_blank(fd, found.size);
	if (r < 0)
		return error_errno(err, r, "read the first and last MiB");
	found.blank = r;
	*ret = found;
	return 0;
}
