#include "tree_fixture.h"

#include <endian.h>

#include "sandbox/heal.h"

#define BASE 100000

static char top[] = "/tmp/berth-heal-XXXXXX";

static const char *at(const char *path)
{
	return in(top, path);
}

static int setup(void **state)
{
	(void)state;
	fresh_dir(top);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wipe(top);
	return 0;
}

static void put(const char *name, const char *text)
{
	put_text(at(name), text);
}

static void base_of_the_range(void **state)
{
	static const struct {
		const char *uids, *gids;
		int result;
		uint32_t base;
	} TABLE[] = {
		{ "sysbox:100000:65536\n", "sysbox:100000:65536\n", 0, 100000 },
		{ "root:1:2\nsysbox:300000:65536\nsysbox:200000:65536\n",
		  "sysbox:200000:65536\nsysbox:300000:65536\n", 0, 200000 },
		{ "sysbox:100000:65536\nsysbox:400000:268435456\n", "sysbox:400000:268435456\n", 0, 400000 },
		{ "sysbox:100000:100\n", "sysbox:100000:100\n", -ENOENT, 0 },
		{ "sysbox2:100000:65536\n", "sysbox2:100000:65536\n", -ENOENT, 0 },
		{ "sysbox:0:65536\n", "sysbox:0:65536\n", -ENOENT, 0 },
		{ "sysbox:x:65536\nsysbox::\nsysbox:\n", "", -ENOENT, 0 },
		{ "sysbox:4294967295:65536\n", "sysbox:4294967295:65536\n", -ENOENT, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct error err = ERROR_INIT;
		uint32_t base = 0;

		put("subuid", TABLE[i].uids);
		put("subgid", TABLE[i].gids);
		assert_int_equal(heal_base(at("subuid"), at("subgid"), &base, &err), TABLE[i].result);
		assert_int_equal(base, TABLE[i].base);
	}
}

static void assert_owner(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat st;

	assert_ok(lstat(at(name), &st));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	if (mode)
		assert_int_equal(st.st_mode & 07777, mode);
}

static void build(void)
{
	make_dirs(at("upper/etc/deep"));
	put("upper/suid", "x");
	put("upper/etc/own", "x");
	put("upper/etc/deep/gone", "x");
	assert_ok(symlink("/nowhere", at("upper/link")));
	assert_ok(mkfifo(at("upper/fifo"), 0600));
	assert_ok(link(at("upper/suid"), at("upper/etc/again")));
	assert_ok(lchown(at("upper"), BASE, BASE));
	assert_ok(lchown(at("upper/suid"), BASE + 5, BASE + 7));
	assert_ok(chmod(at("upper/suid"), 06755));
	assert_ok(lchown(at("upper/etc"), BASE, BASE + 65535));
	/* Of no user namespace of Sysbox: not ours. */
	assert_ok(lchown(at("upper/etc/own"), 1000, BASE + 65536));
	assert_ok(lchown(at("upper/etc/deep"), BASE + 1, 0));
	assert_ok(lchown(at("upper/link"), BASE, BASE));
	assert_ok(lchown(at("upper/fifo"), BASE + 65535, BASE));
}

static void assert_healed(void)
{
	assert_owner("upper", 0, 0, 0);
	assert_owner("upper/suid", 5, 7, 06755);
	assert_owner("upper/etc/again", 5, 7, 06755);
	assert_owner("upper/etc", 0, 65535, 0);
	assert_owner("upper/etc/own", 1000, BASE + 65536, 0);
	assert_owner("upper/etc/deep", 1, 0, 0);
	assert_owner("upper/link", 0, 0, 0);
	assert_owner("upper/fifo", 65535, 0, 0600);
}

static void owners_go_back(void **state)
{
	struct heal_report report;
	struct error err = ERROR_INIT;
	_cleanup_fd_ int fd = -EBADF;

	if (geteuid() != 0)
		skip();
	build();
	fd = open(at("upper"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(heal_needed(fd, BASE, &err), 1);
	assert_int_equal(heal_tree(fd, BASE, &report, &err), 0);
	assert_healed();
	assert_int_equal(heal_needed(fd, BASE, &err), 0);
	assert_int_equal(report.entries, 9);
	/* Nothing goes down twice. */
	assert_int_equal(heal_tree(fd, BASE, &report, &err), 0);
	assert_int_equal(report.healed, 0);
	assert_healed();
}

static void one_that_was_cut_off_is_finished(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_fd_ int fd = -EBADF;

	if (geteuid() != 0)
		skip();
	build();
	assert_ok(lchown(at("upper/etc"), 0, 65535));
	assert_ok(lchown(at("upper/link"), 0, 0));
	fd = open(at("upper"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(heal_tree(fd, BASE, NULL, &err), 0);
	assert_healed();
}

#define CAPS "security.capability"
#define MARK "trusted.berth.privilege"

/* cap_net_raw+p of root 100000, as set inside of a sandbox; and what a host has for it. */
static const unsigned char CAPS_INSIDE[24] = { 0, 0, 0, 3, 0x00, 0x20, [20] = 0xa0, 0x86, 0x01 };
static const unsigned char CAPS_HEALED[20] = { 0, 0, 0, 2, 0x00, 0x20 };

static void caps_too(void **state)
{
	unsigned char caps[24], other[24];

	(void)state;
	memcpy(caps, CAPS_INSIDE, sizeof(caps));
	assert_int_equal(heal_caps(caps, sizeof(caps), BASE), sizeof(CAPS_HEALED));
	assert_memory_equal(caps, CAPS_HEALED, sizeof(CAPS_HEALED));
	assert_int_equal(heal_caps(caps, sizeof(CAPS_HEALED), BASE), sizeof(CAPS_HEALED));
	/* A root inside of the sandbox's own range. */
	memcpy(caps, CAPS_INSIDE, sizeof(caps));
	caps[20]++;
	assert_int_equal(heal_caps(caps, sizeof(caps), BASE), sizeof(caps));
	assert_int_equal(caps[20], 1);
	assert_int_equal(caps[3], 3);
	/* Somebody else's. */
	memcpy(other, caps, sizeof(other));
	assert_int_equal(heal_caps(caps, sizeof(caps), BASE), sizeof(caps));
	assert_memory_equal(caps, other, sizeof(caps));
}

static int heal_upper(void *userdata, struct error *err)
{
	_cleanup_fd_ int fd = open(userdata, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return heal_tree(fd, BASE, NULL, err);
}

static bool has_caps(const char *path, const unsigned char *caps, size_t len)
{
	unsigned char now[32];

	return lgetxattr(path, CAPS, now, sizeof(now)) == (ssize_t)len && memcmp(now, caps, len) == 0;
}

/* The kernel takes setuid, setgid and capabilities off what changes its owner: a cut in between must not lose them. */
static void cut_off_anywhere(void **state)
{
	unsigned cuts = 0;

	(void)state;
	if (geteuid() != 0 || !can_xattr(top, MARK)) {
		print_message("skipped: root and attributes of its own are needed\n");
		skip();
	}
	for (int status = 137; status == 137; cuts++) {
		wipe(at("upper"));
		build();
		put("upper/able", "x");
		assert_ok(lchown(at("upper/able"), BASE, BASE));
		assert_ok(setxattr(at("upper/able"), CAPS, CAPS_INSIDE, sizeof(CAPS_INSIDE), 0));
		status = run_child(heal_upper, (void *)(uintptr_t)at("upper"), cuts + 1);
		assert_true(status == 137 || status == 0);
		assert_int_equal(run_child(heal_upper, (void *)(uintptr_t)at("upper"), 0), 0);
		assert_healed();
		assert_owner("upper/able", 0, 0, 0644);
		if (!has_caps(at("upper/able"), CAPS_HEALED, sizeof(CAPS_HEALED)))
			fail_msg("no capabilities after cut %u", cuts + 1);
		assert_true(lgetxattr(at("upper/suid"), MARK, NULL, 0) < 0 && errno == ENODATA);
		assert_true(lgetxattr(at("upper/able"), MARK, NULL, 0) < 0 && errno == ENODATA);
	}
	assert_int_equal(cuts, 9); /* four points of each of the two files, and the one that was not cut */
}

struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[3];
};

static struct acl make_acl(uint32_t user, uint32_t group)
{
	return (struct acl){
		.version = htole32(2),
		.entries = { { htole16(2), htole16(7), htole32(user) },
			     { htole16(8), htole16(5), htole32(group) },
			     { htole16(0x20), 0, htole32(BASE + 1) } },
	};
}

static void acls_too(void **state)
{
	struct acl acl = make_acl(BASE + 33, 12), wanted = make_acl(33, 12);

	assert_int_equal(heal_acl(&acl, sizeof(acl), BASE), 1);
	assert_memory_equal(&acl, &wanted, sizeof(acl));
	assert_int_equal(heal_acl(&acl, sizeof(acl), BASE), 0);
	assert_int_equal(heal_acl(&acl, 3, BASE), -EINVAL);
	assert_int_equal(heal_acl(&acl, sizeof(acl) - 1, BASE), -EINVAL);
	acl.version = htole32(3);
	assert_int_equal(heal_acl(&acl, sizeof(acl), BASE), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cut_off_anywhere), /* first: fault points are counted in this process, too */
		TEST(base_of_the_range), TEST(owners_go_back), TEST(one_that_was_cut_off_is_finished),
		TEST(caps_too), TEST(acls_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
