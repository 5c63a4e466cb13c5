#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "sys/blkprobe.h"
#include "sys/spawn.h"

#define MIB ((off_t)1 << 20)

static int make_image(off_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static struct blkprobe probe(int fd)
{
	struct blkprobe found = { 0 };
	struct error err = ERROR_INIT;

	if (blkprobe_fd(fd, &found, &err) < 0)
		fail_msg("blkprobe_fd: %s", err.message);
	return found;
}

/* Let `program` format the image; the tests that need it are skipped where it is not installed. */
static void make_fs(int fd, const char *program, const char *const *options)
{
	const char *argv[12] = { program };
	const struct spawn_options spawn = { .pass_fds = { fd }, .timeout_ms = 60000 };
	struct error err = ERROR_INIT;
	char path[64];
	size_t n = 1;

	if (access(program, X_OK) < 0) {
		print_message("skipped: no %s here\n", program);
		skip();
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (; *options; options++)
		argv[n++] = *options;
	argv[n] = path;
	if (spawn_check(program, argv, &spawn, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

static void make_xfs(int fd)
{
	static const char *const options[] = { "-q", "-f", "-L", "pool", NULL };

	make_fs(fd, "/usr/sbin/mkfs.xfs", options);
}

static void test_blank(void **state)
{
	_cleanup_fd_ int fd = make_image(16 * MIB);
	struct blkprobe found = probe(fd);

	assert_true(found.blank);
	assert_false(found.ambivalent);
	assert_string_equal(found.type, "");
	assert_string_equal(found.partition_table, "");
	assert_int_equal(found.size, 16 * MIB);
}

static void test_empty_and_tiny(void **state)
{
	_cleanup_fd_ int empty = make_image(0), tiny = make_image(3);
	struct blkprobe found = probe(empty);

	assert_true(found.blank);
	assert_int_equal(found.size, 0);
	assert_int_equal(pwrite(tiny, "abc", 3, 0), 3);
	found = probe(tiny);
	assert_false(found.blank);
	assert_string_equal(found.type, "");
}

/* Data no library knows: a single byte at either end, and at the edges of what is looked at. */
static void test_not_blank(void **state)
{
	const off_t size = 16 * MIB + 512;
	const off_t dirty[] = { 0, 12345, MIB - 1, size - MIB, size - 1 };
	const off_t unseen[] = { MIB, size - MIB - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(dirty); i++) {
		_cleanup_fd_ int fd = make_image(size);

		assert_int_equal(pwrite(fd, "x", 1, dirty[i]), 1);
		assert_false(probe(fd).blank);
	}
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++) {
		_cleanup_fd_ int fd = make_image(size);

		assert_int_equal(pwrite(fd, "x", 1, unseen[i]), 1);
		assert_true(probe(fd).blank);
	}
}

static void test_xfs(void **state)
{
	_cleanup_fd_ int fd = make_image(320 * MIB);
	struct blkprobe found;

	make_xfs(fd);
	found = probe(fd);
	assert_string_equal(found.type, "xfs");
	assert_string_equal(found.label, "pool");
	assert_int_equal(strlen(found.uuid), 36);
	assert_string_equal(found.partition_table, "");
	assert_false(found.blank);
	assert_false(found.ambivalent);
	assert_false(found.damaged);
}

/* One flipped bit in the superblock is no licence to format. */
static void test_damaged_xfs(void **state)
{
	_cleanup_fd_ int fd = make_image(320 * MIB);
	struct blkprobe found;
	char byte;

	make_xfs(fd);
	assert_int_equal(pread(fd, &byte, 1, 108), 1); /* the label; checked by libblkid >= 2.39 */
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 108), 1);
	found = probe(fd);
	assert_string_equal(found.type, "xfs");
	assert_false(found.blank);
}

/* An LVM label whose checksum, all zero here, cannot be right. */
static void test_damaged_lvm(void **state)
{
	static const struct {
		char id[8];
		uint64_t sector;
		uint32_t checksum, offset;
		char type[8];
		char uuid[32];
	} label = { "LABELONE", 1, 0, 32, "LVM2 001", "0123456789abcdef0123456789abcde" };
	_cleanup_fd_ int fd = make_image(16 * MIB);
	struct blkprobe found;

	assert_int_equal(pwrite(fd, &label, sizeof(label), 512), sizeof(label));
	found = probe(fd);
	assert_string_equal(found.type, "LVM2_member");
	assert_true(found.damaged);
	assert_false(found.blank);
}

static void test_ext4(void **state)
{
	static const char *const options[] = { "-q", "-F", NULL };
	_cleanup_fd_ int fd = make_image(32 * MIB);

	make_fs(fd, "/usr/sbin/mkfs.ext4", options);
	assert_string_equal(probe(fd).type, "ext4");
	assert_string_equal(probe(fd).label, "");
}

static void test_ambivalent(void **state)
{
	_cleanup_fd_ int fd = make_image(320 * MIB);
	const unsigned char ext_magic[] = { 0x53, 0xef };
	struct blkprobe found;
	static const char *const options[] = { "-q", "-F", "-O", "^metadata_csum", NULL };
	char superblock[1024];

	make_fs(fd, "/usr/sbin/mkfs.ext4", options);
	assert_int_equal(pread(fd, superblock, sizeof(superblock), 1024), sizeof(superblock));
	assert_memory_equal(superblock + 56, ext_magic, 2);
	make_xfs(fd);
	assert_int_equal(pwrite(fd, superblock, sizeof(superblock), 1024), sizeof(superblock));
	found = probe(fd);
	assert_true(found.ambivalent);
	assert_string_equal(found.type, "");
	assert_false(found.blank);
}

static void test_partition_table(void **state)
{
	_cleanup_fd_ int fd = make_image(16 * MIB);
	/* One entry: type 0x83, from sector 2048, 2048 sectors. */
	const unsigned char entry[16] = { 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0 };
	const unsigned char signature[2] = { 0x55, 0xaa };
	struct blkprobe found;

	assert_int_equal(pwrite(fd, entry, sizeof(entry), 446), sizeof(entry));
	assert_int_equal(pwrite(fd, signature, sizeof(signature), 510), sizeof(signature));
	found = probe(fd);
	assert_string_equal(found.partition_table, "dos");
	assert_string_equal(found.type, "");
	assert_false(found.blank);
}

static void test_luks(void **state)
{
	_cleanup_fd_ int fd = make_image(16 * MIB);
	const unsigned char magic[8] = { 'L', 'U', 'K', 'S', 0xba, 0xbe, 0, 1 };

	assert_int_equal(pwrite(fd, magic, sizeof(magic), 0), sizeof(magic));
	assert_string_equal(probe(fd).type, "crypto_LUKS");
}

static void test_errors(void **state)
{
	_cleanup_fd_ int pipe_like = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct blkprobe found = { .size = 42 };
	struct error err = ERROR_INIT;

	assert_true(blkprobe_fd(-EBADF, &found, &err) < 0);
	assert_true(err.code > 0);
	assert_int_equal(found.size, 42);
	error_clear(&err);
	assert_true(blkprobe_fd(pipe_like, &found, &err) < 0);
	assert_true(err.code > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank),
		cmocka_unit_test(test_empty_and_tiny),
		cmocka_unit_test(test_not_blank),
		cmocka_unit_test(test_xfs),
		cmocka_unit_test(test_damaged_xfs),
		cmocka_unit_test(test_damaged_lvm),
		cmocka_unit_test(test_ext4),
		cmocka_unit_test(test_ambivalent),
		cmocka_unit_test(test_partition_table),
		cmocka_unit_test(test_luks),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
