/*
 * For the tests of trees: a directory with one of everything that is hard to copy, the same each
 * time it is built, and a rooted host with real programs in it.
 */
#ifndef TREE_FIXTURE_H
#define TREE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/file.h"
#include "change/tree_compare.h"
#include "host/host.h"
#include "sys/mount.h"
#include "sys/spawn.h"

#define _maybe_ __attribute__((unused))

#define assert_ok(call)                                             \
	do {                                                        \
		if ((call) < 0)                                     \
			fail_msg("%s: %s", #call, strerror(errno)); \
	} while (0)

_maybe_ static void run_program(const char *program, const char *a, const char *b, const char *c)
{
	const char *const argv[] = { program, a, b, c, NULL };
	struct error err = ERROR_INIT;

	if (spawn_check(program, argv, NULL, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

_maybe_ static void wipe(const char *path)
{
	run_program("/bin/rm", "-rf", "--", path);
}

_maybe_ static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

_maybe_ static void make_dirs(const char *path)
{
	run_program("/bin/mkdir", "-p", "--", path);
}

/* `name` below `dir`; good until a thousand more were asked for. */
_maybe_ static const char *in(const char *dir, const char *name)
{
	static char *ring[1000];
	static size_t next;
	char *path = xasprintf("%s/%s", dir, name);

	assert_non_null(path);
	next = (next + 1) % ARRAY_SIZE(ring);
	free(ring[next]);
	ring[next] = path;
	return path;
}

/* A new and empty directory; `path` ends with six characters that are chosen anew each time. */
_maybe_ static void fresh_dir(char *path)
{
	memset(path + strlen(path) - 6, 'X', 6);
	assert_non_null(mkdtemp(path));
}

_maybe_ static void put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

_maybe_ static void put_file(const char *path, size_t len, mode_t mode)
{
	_cleanup_free_ char *data = malloc(len + 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_ok(fd);
	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (char)(i * 31 + i / 251);
	assert_int_equal(file_write_all(fd, data, len), 0);
	assert_ok(fchmod(fd, mode));
	close(fd);
}

_maybe_ static void put_byte(const char *path, off_t offset, char byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_ok(fd);
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

/* Does the file system of `dir` keep such an attribute (and are we allowed to set it)? */
_maybe_ static bool can_xattr(const char *dir, const char *xattr)
{
	bool can = lsetxattr(dir, xattr, "1", 1, 0) == 0;

	if (can)
		(void)lremovexattr(dir, xattr);
	return can;
}

/* u::rw- u:1000:r-- g::r-- m::rw- o::--- as the kernel takes it (linux/posix_acl_xattr.h) */
static const unsigned char FIXTURE_ACL[] = {
	2,    0,    0,	  0, /* version */
	0x01, 0,    6,	  0,	0xff, 0xff, 0xff, 0xff, 0x02, 0,    4,	  0,	0xe8, 0x03,
	0,    0,    0x04, 0,	4,    0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,	6,    0,
	0xff, 0xff, 0xff, 0xff, 0x20, 0,    0,	  0,	0xff, 0xff, 0xff, 0xff,
};

static int fixture_time(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const struct timespec times[2] = { { 1500000000, 1 }, { 1400000000, 123456789 } };

	(void)st;
	(void)type;
	(void)ftw;
	return utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
}

_maybe_ static void fixture_times(const char *dir)
{
	assert_int_equal(nftw(dir, fixture_time, 16, FTW_PHYS | FTW_DEPTH), 0);
}

static void fixture_special(const char *dir)
{
	assert_ok(mkfifo(in(dir, "fifo"), 0640));
	assert_ok(mknod(in(dir, "socket"), S_IFSOCK | 0755, 0));
	assert_ok(symlink("/nowhere/at all", in(dir, "link")));
	if (geteuid() != 0)
		return;
	assert_ok(mknod(in(dir, "upper/whiteout"), S_IFCHR, 0));
	assert_ok(mknod(in(dir, "disk"), S_IFBLK | 0660, 0x0703));
	assert_ok(chown(in(dir, "suid"), 1234, 5678));
	assert_ok(chmod(in(dir, "suid"), 04755)); /* chown took the bit away */
	assert_ok(lchown(in(dir, "link"), 100000, 100000));
	assert_ok(chown(in(dir, "upper"), 165536, 0));
}

static void fixture_xattrs(const char *dir)
{
	static const unsigned char CAP[20] = { 0, 0, 0, 2, 0x00, 0x20 }; /* cap_net_raw */

	if (can_xattr(dir, "user.t")) {
		assert_ok(setxattr(in(dir, "plain"), "user.note", "a\0b", 3, 0));
		assert_ok(setxattr(in(dir, "upper"), "user.empty", "", 0, 0));
	}
	if (setxattr(in(dir, "plain"), "system.posix_acl_access", FIXTURE_ACL, sizeof(FIXTURE_ACL),
		     0) == 0)
		assert_ok(setxattr(in(dir, "upper"), "system.posix_acl_default", FIXTURE_ACL,
				   sizeof(FIXTURE_ACL), 0));
	if (!can_xattr(dir, "trusted.t"))
		return;
	assert_ok(lsetxattr(in(dir, "upper"), "trusted.overlay.opaque", "y", 1, 0));
	assert_ok(lsetxattr(in(dir, "link"), "trusted.overlay.origin", "\0\373!x", 4, 0));
	assert_ok(lsetxattr(in(dir, "fifo"), "trusted.overlay.origin", "\0\373!y", 4, 0));
	assert_ok(lsetxattr(in(dir, "suid"), "security.capability", CAP, sizeof(CAP), 0));
}

/* Make `dir` (its parent exists) with everything in it. */
_maybe_ static void fixture_build(const char *dir)
{
	mode_t mask = umask(0);

	assert_ok(mkdir(dir, 0710));
	assert_ok(mkdir(in(dir, "upper"), 01777));
	assert_ok(mkdir(in(dir, "upper/a"), 0700));
	assert_ok(mkdir(in(dir, "upper/a/b"), geteuid() == 0 ? 0 : 0500));
	assert_ok(mkdir(in(dir, "-rf"), 0755));
	put_file(in(dir, "plain"), 300 * 1024 + 7, 0640);
	put_file(in(dir, "empty"), 0, 0444);
	put_file(in(dir, "suid"), 10, 0755);
	put_file(in(dir, "new\nline"), 5, 0600);
	put_file(in(dir, "-rf/\xff\xfe not utf-8"), 5, 0600);
	put_file(in(dir, " blank "), 5, 0600);
	put_file(in(dir, "one"), 4096, 0600);
	assert_ok(link(in(dir, "one"), in(dir, "upper/two")));
	assert_ok(link(in(dir, "one"), in(dir, "upper/a/three")));
	put_file(in(dir, "sparse"), 1, 0600);
	assert_ok(truncate(in(dir, "sparse"), 8 << 20));
	put_byte(in(dir, "sparse"), (8 << 20) - 1, 'x');
	fixture_special(dir);
	fixture_xattrs(dir);
	fixture_times(dir);
	umask(mask);
}

_maybe_ static int compare_paths(const char *a, const char *b, struct error *err)
{
	_cleanup_fd_ int x = open(a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int y = open(b, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (x < 0 || y < 0)
		return error_errno(err, errno, "open '%s'", x < 0 ? a : b);
	return tree_compare(x, y, 0, NULL, err);
}

_maybe_ static void assert_same(const char *a, const char *b)
{
	struct error err = ERROR_INIT;

	if (compare_paths(a, b, &err) < 0)
		fail_msg("'%s' and '%s': %s", a, b, err.message);
}

/* A rooted host in a new directory, with these programs of the machine copied into it. */
_maybe_ static void host_build(struct host *host, const char *const *programs)
{
	char dir[] = "/var/tmp/berth-test.XXXXXX";
	struct error err = ERROR_INIT;

	assert_non_null(mkdtemp(dir));
	make_dirs(in(dir, "usr/bin"));
	for (; programs && *programs; programs++)
		run_program("/bin/cp", "--", *programs, in(dir, "usr/bin"));
	if (host_open_root(dir, host, &err) < 0)
		fail_msg("%s", err.message);
}

/* A mount namespace of our own, nothing of which is seen outside; false: we may not. */
_maybe_ static bool own_mounts(void)
{
	/* The call itself: "sys/mount.h" hides the C library's header. */
	return unshare(CLONE_NEWNS) == 0 &&
	       syscall(SYS_mount, NULL, "/", NULL, (1UL << 14 /* MS_REC */) | (1UL << 18), NULL) ==
		       0;
}

_maybe_ static void must_mount(const char *source, const char *target, const char *type,
			       const char *options)
{
	struct error err = ERROR_INIT;
	int r = type ? mount_device(source, target, type, 0, options, &err)
		     : mount_bind(source, target, false, &err);

	if (r < 0)
		fail_msg("%s", err.message);
}

_maybe_ static void must_unmount(const char *target)
{
	struct error err = ERROR_INIT;

	if (mount_detach(target, false, &err) < 0)
		fail_msg("%s", err.message);
}

/*
 * Run in a child that dies at its fault-th point (0: none). 137: it did; 0: the function returned;
 * 1: it failed. The parent must never pass a fault point itself: they are counted in a process.
 */
_maybe_ static int run_child(int (*run)(void *userdata, struct error *err), void *userdata,
			     unsigned fault)
{
	pid_t pid = fork();
	int status;

	assert_ok(pid);
	if (pid == 0) {
		struct error err = ERROR_INIT;
		char text[16];
		int r;

		(void)snprintf(text, sizeof(text), "%u", fault);
		if (fault)
			(void)setenv("BERTH_FAULT_AT", text, 1);
		r = run(userdata, &err);
		if (r < 0)
			dprintf(2, "%s\n", err.message);
		_exit(r < 0 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#endif
