#include "sandbox/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "sandbox/pool_dirs.h"

#define TEXT_MAX 24
#define PAUSE_NS 5000000

int fence_raise(const char *path, uint64_t mgr, struct error *err)
{
	_cleanup_free_ char *temp = xasprintf("%s.%d", path, (int)getpid());
	char text[TEXT_MAX];

	if (!mgr)
		return 0;
	if (!temp)
		return error_errno(err, ENOMEM, "note that sysbox-mgr stops");
	(void)snprintf(text, sizeof(text), "%" PRIx64, mgr);
	(void)unlink(temp);
	if (symlink(text, temp) < 0 || rename(temp, path) < 0)
		return error_errno(err, errno, "note at '%s' that sysbox-mgr stops", path);
	return 0;
}

bool fence_stands(const char *path, uint64_t mgr)
{
	char text[TEXT_MAX], now[TEXT_MAX];
	ssize_t n = readlink(path, text, sizeof(text) - 1);

	if (n < 0 || !mgr)
		return false;
	text[n] = '\0';
	(void)snprintf(now, sizeof(now), "%" PRIx64, mgr);
	return strcmp(text, now) == 0;
}

int fence_lock(int pool_fd, int operation, int *ret_fd, struct error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	_cleanup_fd_ int dir = operation == LOCK_SH ? pool_dir_open(pool_fd, POOL_STASH) :
						      pool_dir_make(pool_fd, POOL_STASH, err);
	uint64_t begun = monotonic_ms();

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return dir;
	while (flock(dir, operation | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, errno, "lock the pool's '" POOL_STASH "'");
		if (monotonic_ms() - begun >= FENCE_WAIT_MS)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = TAKE_FD(dir);
	return 0;
}
