/* Waiting for other package managers. Their locks are POSIX record locks: F_GETLK names the holder. */
#include <fcntl.h>
#include <time.h>

#include "base/units.h"
#include "change/apt.h"

static const char *const LOCKS[] = {
	"/var/lib/dpkg/lock-frontend",
	"/var/lib/dpkg/lock",
	"/var/lib/apt/lists/lock",
	"/var/cache/apt/archives/lock",
};

/* The process that holds one of the locks, 0 when none does. */
static pid_t holder(const struct host *host, const char **ret_lock)
{
	for (size_t i = 0; i < ARRAY_SIZE(LOCKS); i++) {
		_cleanup_fd_ int fd = host_open(host, LOCKS[i], O_RDWR, 0);
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

		if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
			*ret_lock = LOCKS[i];
			return lock.l_pid > 0 ? lock.l_pid : 1;
		}
	}
	return 0;
}

static void name_of(pid_t pid, char *buf, size_t size)
{
	char path[64];
	_cleanup_fd_ int fd = -EBADF;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n <= 0) {
		(void)snprintf(buf, size, "a process");
		return;
	}
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int apt_wait_lock(struct change_context *ctx, struct error *err)
{
	uint64_t start = now_ms();
	char name[32], waited[UNITS_MAX];
	const char *lock = NULL;
	pid_t pid;

	while ((pid = holder(ctx->host, &lock)) != 0) {
		struct timespec pause = { .tv_nsec = 500 * 1000 * 1000 };
		uint64_t elapsed = now_ms() - start;

		name_of(pid, name, sizeof(name));
		duration_format(elapsed, waited);
		if (elapsed >= ctx->package_lock_ms)
			return error_set(err, EAGAIN,
					 "%s (process %d) has held the package manager's lock '%s' for "
					 "%s: wait for it, or end it, and run again "
					 "(timeouts.package_lock)",
					 name, (int)pid, lock, waited);
		progress_activityf(ctx->progress,
				   "waiting for the package manager's lock, held by %s (process %d)",
				   name, (int)pid);
		nanosleep(&pause, NULL);
	}
	return 0;
}
