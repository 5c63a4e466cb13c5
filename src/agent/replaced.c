#include "agent/replaced.h"

#include <fcntl.h>
#include <limits.h>

#include "base/file.h"
#include "step/layout.h"

bool replaced_is_deleted(void)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[MAX_OF(n, 0)] = '\0';
	return strcmp(path, BERTH_PROGRAM " (deleted)") == 0;
}

static bool is_program(int fd, const struct stat *st)
{
	char magic[4];

	return S_ISREG(st->st_mode) && (st->st_mode & S_IXUSR) && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

static bool is_known(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mode == b->st_mode && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool replaced_by_other(const struct host *host, const char *self, struct replaced *cache)
{
	_cleanup_fd_ int there = host_open(host, BERTH_PROGRAM, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	_cleanup_fd_ int ours = -EBADF;
	struct stat st;

	if (there < 0 || fstat(there, &st) < 0)
		return false;
	if (is_known(&st, &cache->file))
		return cache->other;
	ours = open(self, O_RDONLY | O_CLOEXEC);
	if (ours < 0)
		return false;
	cache->other = is_program(there, &st) && file_same_content(ours, there) == 0;
	cache->file = st;
	return cache->other;
}
