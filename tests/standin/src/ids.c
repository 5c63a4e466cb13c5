#include "ids.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static uint32_t shifted(uint32_t id, uint32_t from, uint32_t to, uint32_t size)
{
	return id >= from && id - from < size ? to + (id - from) : id;
}

/* Ids out of the range stay, so a hard link that is met twice is shifted once. */
static int shift_entry(const FTSENT *entry, uint32_t from, uint32_t to, uint32_t size,
		       struct failure *f)
{
	const struct stat *st = entry->fts_statp;
	uid_t uid = shifted(st->st_uid, from, to, size);
	gid_t gid = shifted(st->st_gid, from, to, size);

	if (uid == st->st_uid && gid == st->st_gid)
		return 0;
	if (lchown(entry->fts_accpath, uid, gid) < 0)
		return fail_errno(f, "chown '%s'", entry->fts_path);
	/* A chown takes these bits away. */
	if (S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)) &&
	    chmod(entry->fts_accpath, st->st_mode & 07777) < 0)
		return fail_errno(f, "chmod '%s'", entry->fts_path);
	return 0;
}

static int shift_tree(const char *path, uint32_t from, uint32_t to, uint32_t size,
		      struct failure *f)
{
	_cleanup_(freep) char *copy = format_string("%s", path);
	char *const roots[] = { copy, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	int r = 0;

	if (!walk)
		return fail_errno(f, "walk '%s'", path);
	while (r == 0 && (entry = fts_read(walk))) {
		if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
		    entry->fts_info == FTS_NS) {
			errno = entry->fts_errno;
			r = fail_errno(f, "read '%s'", entry->fts_path);
		} else if (entry->fts_info != FTS_DP) {
			r = shift_entry(entry, from, to, size, f);
		}
	}
	fts_close(walk);
	return r;
}

int ids_shift_up(const char *path, struct id_range range, struct failure *f)
{
	return shift_tree(path, 0, range.base, range.size, f);
}

int ids_shift_down(const char *path, struct id_range range, struct failure *f)
{
	return shift_tree(path, range.base, 0, range.size, f);
}

static int write_map(pid_t pid, const char *file, struct id_range range, struct failure *f)
{
	char path[64];
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || dprintf(fd, "0 %u %u\n", range.base, range.size) < 0)
		r = fail_errno(f, "write '%s'", path);
	closep(&fd);
	return r;
}

static void sleep_in_namespace(int ready)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(errno);
	if (write(ready, "", 1) == 1)
		for (;;)
			pause();
	_exit(EIO);
}

int ids_namespace(struct id_range range, struct failure *f)
{
	char path[64], byte;
	int ready[2], fd = -1;
	pid_t child;

	if (pipe(ready) < 0)
		return fail_errno(f, "make a pipe");
	child = fork();
	if (child == 0) {
		close(ready[0]);
		sleep_in_namespace(ready[1]);
	}
	close(ready[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)child);
	if (child < 0 || read(ready[0], &byte, 1) != 1)
		fail(f, "cannot make a user namespace");
	else if (write_map(child, "uid_map", range, f) == 0 &&
		 write_map(child, "gid_map", range, f) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail_errno(f, "open '%s'", path);
	}
	close(ready[0]);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return fd;
}

int ids_map_clone(const char *path, bool recursive, int userns)
{
	unsigned int deep = recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (__u64)userns };
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);

	if (fd < 0)
		return -errno;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | deep, &attr, sizeof(attr)) < 0) {
		int saved = errno;

		close(fd);
		return -saved;
	}
	return fd;
}

int ids_map_onto(const char *path, const char *target, bool recursive, int userns)
{
	int fd = ids_map_clone(path, recursive, userns);
	int r = 0;

	if (fd < 0)
		return fd;
	if (move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	close(fd);
	return r;
}
