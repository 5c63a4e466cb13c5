/*
 * Ways out of a disk budget, tried from inside of a sandbox: `escape NAME` tries one and prints what came of
 * it as a JSON object. What counts is judged outside, by what the pool and the sandbox's project then hold: with
 * `escape NAME hold` it keeps what it has (open files, mounts of its own) until it is killed.
 *
 * Static, so that an image of nothing else will do. The sandbox has its root file system at / and inner
 * data at /var/lib/docker; both are written to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MB	(1L << 20)
#define MOST	(192 * MB) /* three times the budget */
#define INNER	"/var/lib/docker/"

#define STOPS	16

static char block[1 << 16];
static int holding;

/* Shared with children: what was written (or made, where it is not bytes), and each errno that stopped us, once. */
static struct tally {
	long written;
	int stops[STOPS];
} *tally;

static void did(long n)
{
	__atomic_add_fetch(&tally->written, n, __ATOMIC_SEQ_CST);
}

static int has_stopped(int code)
{
	for (int i = 0; i < STOPS; i++) {
		if (tally->stops[i] == code)
			return 1;
	}
	return 0;
}

static void stop(void)
{
	int code = errno;

	if (has_stopped(code))
		return;
	for (int i = 0; i < STOPS; i++) {
		int none = 0;

		if (__atomic_compare_exchange_n(&tally->stops[i], &none, code, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
		    none == code)
			return;
	}
}

static void pour(int fd, long most)
{
	for (long n = 0; n < most; n += (long)sizeof(block)) {
		if (write(fd, block, sizeof(block)) < 0) {
			stop();
			break;
		}
		did((long)sizeof(block));
	}
	if (fsync(fd) < 0)
		stop();
}

static int open_new(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		stop();
	return fd;
}

static void pour_into(const char *path, long most)
{
	int fd = open_new(path);

	if (fd >= 0) {
		pour(fd, most);
		close(fd);
	}
}

static void plain(void)
{
	pour_into("/big", MOST);
	pour_into(INNER "big", MOST);
}

/* The layer is one tree, the inner data another: what is moved takes its blocks along. */
static void rename_between_trees(void)
{
	for (int i = 0; i < 24; i++) {
		char from[64], to[64];

		snprintf(from, sizeof(from), "/part%d", i);
		snprintf(to, sizeof(to), INNER "part%d", i);
		pour_into(from, 8 * MB);
		if (rename(from, to) < 0)
			stop();
	}
}

static void hard_links(void)
{
	pour_into(INNER "one", 40 * MB);
	for (int i = 0; i < 1000; i++) {
		char to[64];

		snprintf(to, sizeof(to), INNER "link%d", i);
		if (link(INNER "one", to) < 0)
			stop();
	}
	/* Gone from its first place, still there by another name. */
	unlink(INNER "one");
	pour_into(INNER "two", MOST);
}

/* As `chattr -p 0` and `chattr -P` do. */
static void leave_the_project(void)
{
	static const char *const PLACES[] = { "/", INNER };

	for (size_t i = 0; i < 2; i++) {
		struct fsxattr attr;
		int fd = open(PLACES[i], O_RDONLY | O_DIRECTORY);

		if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0) {
			stop();
		} else {
			attr.fsx_projid = 0;
			attr.fsx_xflags &= ~(unsigned)FS_XFLAG_PROJINHERIT;
			if (ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0)
				stop();
		}
		if (fd >= 0)
			close(fd);
	}
	plain();
}

static void file_leaves_the_project(void)
{
	struct fsxattr attr;
	int fd = open_new(INNER "own");

	if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0) {
		stop();
		return;
	}
	attr.fsx_projid = 0;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0)
		stop();
	pour(fd, MOST);
}

static void tmpfile_without_a_name(void)
{
	int fd = open(INNER, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		stop();
	else
		pour(fd, MOST);
}

static void unlinked_but_open(void)
{
	for (int i = 0; i < 4; i++) {
		int fd = open_new(INNER "open");

		if (fd < 0)
			return;
		unlink(INNER "open");
		pour(fd, 48 * MB);
	}
}

static void allocate(void)
{
	int fd = open_new(INNER "allocated");

	for (int i = 0; fd >= 0 && i < 24; i++) {
		if (fallocate(fd, 0, i * 8 * MB, 8 * MB) < 0) {
			stop();
			break;
		}
		did(8 * MB);
	}
	if (fd >= 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, MOST, MOST) < 0)
		stop();
}

static void holes(void)
{
	int fd = open_new(INNER "sparse");

	if (fd < 0 || ftruncate(fd, 100L << 30) < 0)
		stop();
	for (long at = 0; fd >= 0 && at < MOST; at += (long)sizeof(block)) {
		if (pwrite(fd, block, sizeof(block), at * 7) < 0) {
			stop();
			break;
		}
		did((long)sizeof(block));
	}
	if (fd >= 0 && fsync(fd) < 0)
		stop();
}

/* Shared blocks count for each file that has them. */
static void reflinks(void)
{
	int from = open_new(INNER "source");

	if (from < 0)
		return;
	pour(from, 20 * MB);
	for (int i = 0; i < 20; i++) {
		char path[64];
		int to;

		snprintf(path, sizeof(path), INNER "clone%d", i);
		to = open_new(path);
		if (to < 0 || ioctl(to, FICLONE, from) < 0)
			stop();
		else
			did(20 * MB);
		if (to >= 0)
			close(to);
	}
	/* And then apart: each its own blocks. */
	for (int i = 0; i < 20; i++) {
		char path[64];
		int to;

		snprintf(path, sizeof(path), INNER "clone%d", i);
		to = open(path, O_RDWR);
		if (to >= 0) {
			pour(to, 20 * MB);
			close(to);
		}
	}
}

static void whiteouts(void)
{
	if (mknod(INNER "whiteout", S_IFCHR, makedev(0, 0)) < 0)
		stop();
	for (int i = 0; i < 20000; i++) {
		char path[64];

		snprintf(path, sizeof(path), INNER "w%d", i);
		if (mknod(path, S_IFCHR, makedev(0, 0)) < 0) {
			stop();
			break;
		}
		did(1);
	}
	pour_into(INNER "big", MOST);
}

static void inner_overlay(void)
{
	static const char *const DIRS[] = { INNER "lower", INNER "upper", INNER "work", INNER "merged" };

	for (size_t i = 0; i < 4; i++)
		mkdir(DIRS[i], 0700);
	pour_into(INNER "lower/file", 8 * MB);
	if (mount("overlay", INNER "merged", "overlay", 0,
		  "lowerdir=" INNER "lower,upperdir=" INNER "upper,workdir=" INNER "work") < 0)
		stop();
	pour_into(INNER "merged/big", MOST);
	pour_into(INNER "merged/file", MOST);
}

static void bind_mounts(void)
{
	mkdir("/mnt", 0755);
	if (mount(INNER, "/mnt", NULL, MS_BIND, NULL) < 0)
		stop();
	pour_into("/mnt/bound", MOST);
	if (umount("/mnt") < 0)
		stop();
	/* What was beneath it, and what a move of a mount uncovers. */
	if (umount2(INNER, MNT_DETACH) < 0)
		stop();
	pour_into(INNER "beneath", MOST);
}

static void other_places_that_are_written(void)
{
	static const char *const PLACES[] = { "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/data/x",
					      "/var/lib/kubelet/x", "/var/lib/containerd/x",
					      "/var/lib/buildkit/x", "/var/lib/rancher/k3s/x" };

	for (size_t i = 0; i < sizeof(PLACES) / sizeof(*PLACES); i++)
		pour_into(PLACES[i], 48 * MB);
}

/* Its mounts last as long as it does: as long as we hold. */
static void in_a_child(void (*work)(void))
{
	int done[2];
	pid_t pid;
	char byte;

	if (pipe(done) < 0) {
		stop();
		return;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work();
		if (write(done[1], "x", 1) == 1 && holding)
			pause();
		_exit(0);
	}
	close(done[1]);
	if (pid < 0 || read(done[0], &byte, 1) != 1)
		stop();
	if (pid > 0 && !holding)
		waitpid(pid, NULL, 0);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		stop();
	if (fd >= 0)
		close(fd);
}

static void nested_work(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
		stop();
		return;
	}
	/* Root there is root here; without that it could make no file. */
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "0 0 1");
	put("/proc/self/gid_map", "0 0 1");
	/* Memory, which is no disk; never written to where it is not that. */
	if (mount("none", "/mnt", "tmpfs", 0, "size=32m") < 0)
		stop();
	else
		pour_into("/mnt/memory", 16 * MB);
	leave_the_project();
}

static void nested_user_namespace(void)
{
	mkdir("/mnt", 0755);
	in_a_child(nested_work);
	plain();
}

/* Root of a user namespace is nobody to the file system's quotas. */
static void quota_calls(void)
{
	static const char *const PLACES[] = { "/", INNER };
	char zero[256] = { 0 };

	for (size_t i = 0; i < 2; i++) {
		int fd = open(PLACES[i], O_RDONLY | O_DIRECTORY);

		/* Q_XSETQLIM, Q_XQUOTAOFF and Q_QUOTAOFF of project quotas */
		if (syscall(443, fd, QCMD((unsigned)('X' << 8) + 4, 2), 1, zero) < 0)
			stop();
		if (syscall(443, fd, QCMD((unsigned)('X' << 8) + 2, 2), 0, zero) < 0)
			stop();
		if (syscall(443, fd, QCMD((unsigned)Q_QUOTAOFF, 2), 0, zero) < 0)
			stop();
		close(fd);
	}
	plain();
}

/* Extended attributes take blocks of their own. */
static void attributes(void)
{
	static char value[60000];

	for (int i = 0; i < 4000; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), INNER "attr%d", i);
		fd = open_new(path);
		if (fd < 0)
			break;
		for (int k = 0; k < 4; k++) {
			char name[32];

			snprintf(name, sizeof(name), "user.x%d", k);
			if (fsetxattr(fd, name, value, sizeof(value), 0) < 0)
				stop();
			else
				did((long)sizeof(value));
		}
		close(fd);
		if (has_stopped(ENOSPC) || has_stopped(EDQUOT))
			break;
	}
	sync();
}

/* linux/posix_acl_xattr.h; all little-endian, as the machines are that this is for. */
struct acl {
	unsigned version;
	struct {
		unsigned short tag, perm;
		unsigned id;
	} entries[5004];
};

/* u::rwx, five thousand users, g::---, m::rwx, o::---; near what an XFS keeps at most. */
static void fill_acl(struct acl *acl)
{
	const int last = (int)(sizeof(acl->entries) / sizeof(*acl->entries)) - 1;

	acl->version = 2;
	for (int i = 0; i <= last; i++) {
		acl->entries[i].tag = i == 0 ? 0x01 : i == last - 2 ? 0x04 : i == last - 1 ? 0x10 : i == last ? 0x20 : 0x02;
		acl->entries[i].perm = i == last || i == last - 2 ? 0 : 7;
		acl->entries[i].id = acl->entries[i].tag == 0x02 ? (unsigned)i : ~0U;
	}
}

/* Lists of who may do what, each in blocks of its own. */
static void access_lists(void)
{
	static struct acl acl;

	fill_acl(&acl);
	for (int i = 0; i < 4000 && !has_stopped(ENOSPC) && !has_stopped(EDQUOT); i++) {
		char path[64];

		snprintf(path, sizeof(path), INNER "acl%d", i);
		if (mkdir(path, 0700) < 0) {
			stop();
			break;
		}
		if (setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0) < 0)
			stop();
		else
			did((long)sizeof(acl));
		if (setxattr(path, "system.posix_acl_default", &acl, sizeof(acl), 0) < 0)
			stop();
		else
			did((long)sizeof(acl));
	}
	sync();
}

static void inodes(void)
{
	for (int i = 0; i < 200000; i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), INNER "i%d", i);
		fd = open(path, O_CREAT | O_WRONLY, 0600);
		if (fd < 0) {
			stop();
			break;
		}
		close(fd);
		did(1);
	}
}

static void directories_and_links(void)
{
	char target[1000];

	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	for (int i = 0; i < 200000; i++) {
		char path[64];

		snprintf(path, sizeof(path), INNER "l%d", i);
		if (symlink(target, path) < 0) {
			stop();
			break;
		}
		snprintf(path, sizeof(path), INNER "d%d", i);
		if (mkdir(path, 0700) < 0) {
			stop();
			break;
		}
		did(2);
	}
	sync();
}

/* Memory is not disk: it is the memory limit's business, and must not land on the pool. */
static void memory_is_not_disk(void)
{
	int fd = memfd_create("x", 0);

	if (fd < 0)
		stop();
	else
		pour(fd, 80 * MB);
}

static void many_writers(void)
{
	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			char path[64];

			snprintf(path, sizeof(path), i % 2 ? "/w%d" : INNER "w%d", i);
			pour_into(path, MOST);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		continue;
}

static const struct way {
	const char *name;
	void (*try_it)(void);
} WAYS[] = {
	{ "plain", plain },
	{ "rename-between-trees", rename_between_trees },
	{ "hard-links", hard_links },
	{ "leave-the-project", leave_the_project },
	{ "file-leaves-the-project", file_leaves_the_project },
	{ "tmpfile", tmpfile_without_a_name },
	{ "unlinked-but-open", unlinked_but_open },
	{ "fallocate", allocate },
	{ "holes", holes },
	{ "reflinks", reflinks },
	{ "whiteouts", whiteouts },
	{ "inner-overlay", inner_overlay },
	{ "bind-mounts", bind_mounts },
	{ "other-places", other_places_that_are_written },
	{ "nested-user-namespace", nested_user_namespace },
	{ "quota-calls", quota_calls },
	{ "attributes", attributes },
	{ "access-lists", access_lists },
	{ "inodes", inodes },
	{ "directories-and-links", directories_and_links },
	{ "memory-is-not-disk", memory_is_not_disk },
	{ "many-writers", many_writers },
};

static void tell(const char *way)
{
	const char *between = "";

	printf("{\"way\": \"%s\", \"pid\": %d, \"tried\": %ld, \"stopped_by\": [", way, (int)getpid(), tally->written);
	for (int i = 0; i < STOPS && tally->stops[i]; i++) {
		printf("%s\"%s\"", between, strerror(tally->stops[i]));
		between = ", ";
	}
	puts("]}");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 3;
	holding = argc > 2 && strcmp(argv[2], "hold") == 0;
	for (size_t i = 0; i < sizeof(WAYS) / sizeof(*WAYS); i++) {
		if (argc < 2) {
			puts(WAYS[i].name);
		} else if (strcmp(argv[1], WAYS[i].name) == 0) {
			WAYS[i].try_it();
			tell(argv[1]);
			/* What is open and unlinked still counts: let it be looked at. */
			while (holding)
				pause();
			return 0;
		}
	}
	return argc < 2 ? 0 : 2;
}
