#include "node/lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

/* "install, process 512": what the holder wrote into the file. */
static void holder(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	if (!*buf)
		(void)snprintf(buf, size, "another berth");
}

static int busy(int fd, struct error *err)
{
	char who[128];

	holder(fd, who, sizeof(who));
	return error_set(err, EBUSY, "another berth is at work on this host (%s): wait for it "
			 "(--wait does)", who);
}

static int wait_for(int fd, uint64_t wait_ms, const struct progress *progress, struct error *err)
{
	struct timespec pause = { .tv_nsec = 200 * 1000 * 1000 };
	char who[128];

	for (uint64_t waited = 0;; waited += 200) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return error_errno(err, errno, "lock '%s'", LOCK_FILE);
		if (waited >= wait_ms)
			return busy(fd, err);
		holder(fd, who, sizeof(who));
		progress_activityf(progress, "waiting for another berth (%s)", who);
		nanosleep(&pause, NULL);
	}
}

int lock_take(const struct host *host, const char *command, uint64_t wait_ms,
	      const struct progress *progress, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	char text[128];
	int r = host_mkdirs(host, "/run/berth", 0755, NULL, err);

	if (r < 0)
		return r;
	fd = host_open(host, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, 0644);
	if (fd < 0)
		return error_errno(err, fd, "open the lock '%s'", LOCK_FILE);
	r = wait_for(fd, wait_ms, progress, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "berth %s, process %d\n", command, (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return error_errno(err, errno, "write the lock '%s'", LOCK_FILE);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
