#include "change/package_lock.h"

#include <fcntl.h>
#include <limits.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"

enum lock_kind {
	LOCK_RECORD, /* a POSIX record lock: F_GETLK names the holder */
	LOCK_PID,    /* a file with the holder's process id, there while he works (dnf 4) */
};

struct lock_file {
	const char *path;
	enum lock_kind kind;
};

static const struct lock_file APT_LOCKS[] = {
	{ "/var/lib/dpkg/lock-frontend", LOCK_RECORD },
	{ "/var/lib/dpkg/lock", LOCK_RECORD },
	{ "/var/lib/apt/lists/lock", LOCK_RECORD },
	{ "/var/cache/apt/archives/lock", LOCK_RECORD },
	{ 0 },
};

/* rpm's database moved to /usr with Fedora 36. dnf's own locks it waits for without an end. */
static const struct lock_file RPM_LOCKS[] = {
	{ "/var/lib/rpm/.rpm.lock", LOCK_RECORD },
	{ "/usr/lib/sysimage/rpm/.rpm.lock", LOCK_RECORD },
	{ "/var/lib/dnf/rpmdb_lock.pid", LOCK_PID },
	{ "/var/cache/dnf/metadata_lock.pid", LOCK_PID },
	{ "/var/cache/dnf/download_lock.pid", LOCK_PID },
	{ 0 },
};

static const struct lock_file NO_LOCKS[] = { { 0 } };

static const struct lock_file *const LOCKS[] = {
	[PACKAGES_NONE] = NO_LOCKS,
	[PACKAGES_APT] = APT_LOCKS,
	[PACKAGES_DNF] = RPM_LOCKS,
};

static pid_t record_holder(const struct host *host, const char *path)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDWR, 0);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : 1;
}

/* Of a process that is gone the file is nothing: dnf takes it over. */
static pid_t pid_holder(const struct host *host, const char *path)
{
	_cleanup_free_ char *text = NULL;
	char dir[64];
	int64_t pid;

	if (host_read(host, path, 64, &text, NULL) < 0)
		return 0;
	text[strcspn(text, " \n")] = '\0';
	if (i64_parse(text, &pid) < 0 || pid <= 0 || pid > INT_MAX)
		return 0;
	(void)snprintf(dir, sizeof(dir), "/proc/%d", (int)pid);
	return access(dir, F_OK) == 0 ? (pid_t)pid : 0;
}

/* The process that holds one of the locks, 0 when none does. */
static pid_t holder(const struct change_context *ctx, const char **ret_lock)
{
	for (const struct lock_file *l = LOCKS[ctx->os->packages]; l->path; l++) {
		pid_t pid = l->kind == LOCK_PID ? pid_holder(ctx->host, l->path)
						: record_holder(ctx->host, l->path);

		if (pid) {
			*ret_lock = l->path;
			return pid;
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

int package_lock_wait(struct change_context *ctx, struct error *err)
{
	uint64_t start = monotonic_ms();
	char name[32], waited[UNITS_MAX];
	const char *lock = NULL;
	pid_t pid;

	while ((pid = holder(ctx, &lock)) != 0) {
		struct timespec pause = { .tv_nsec = 500 * 1000 * 1000 };
		uint64_t elapsed = monotonic_ms() - start;

		name_of(pid, name, sizeof(name));
		duration_format(elapsed, waited);
		if (elapsed >= ctx->package_lock_ms)
			return error_set(
				err, EAGAIN,
				"%s (process %d) has held the package manager's lock '%s' for "
				"%s: wait for it, or end it, and run again "
				"(timeouts.package_lock)",
				name, (int)pid, lock, waited);
		progress_activityf(
			ctx->progress,
			"waiting for the package manager's lock, held by %s (process %d)", name,
			(int)pid);
		nanosleep(&pause, NULL);
	}
	return 0;
}
