#include "change/accounts.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "change/file_state.h"

#define LOCK	"/etc/.pwd.lock"
#define WAIT_MS 15000 /* lckpwdf(3) */

const char *const ACCOUNTS_FILES[ACCOUNTS_COUNT] = { "/etc/passwd",  "/etc/group",  "/etc/shadow",
							    "/etc/gshadow", "/etc/subuid", "/etc/subgid" };
const char *const ACCOUNTS_TEMPORARY[ACCOUNTS_COUNT] = { "/etc/passwd+",	"/etc/group+",	"/etc/shadow+",
								"/etc/gshadow+", "/etc/subuid+", "/etc/subgid+" };

int accounts_lock(const struct host *host, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, LOCK, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint64_t start = monotonic_ms();

	if (fd < 0)
		return error_errno(err, fd, "open '%s'", LOCK);
	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

		if (errno != EAGAIN && errno != EACCES)
			return error_errno(err, errno, "lock '%s'", LOCK);
		if (monotonic_ms() - start >= WAIT_MS)
			return error_set(err, EAGAIN, "another program (useradd?) has held the lock of the account files, '%s', for %d s: "
					 "wait for it and run again", LOCK, WAIT_MS / 1000);
		nanosleep(&pause, NULL);
	}
	return TAKE_FD(fd);
}

bool accounts_is_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	return strncmp(line, name, n) == 0 && line[n] == ':';
}

const char *accounts_next(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

bool accounts_text_has(const char *text, const char *name)
{
	for (const char *line = text; *line; line = accounts_next(line)) {
		if (accounts_is_of(line, name))
			return true;
	}
	return false;
}

bool accounts_has(const struct host *host, const char *file, const char *name)
{
	_cleanup_free_ char *text = NULL;

	return host_read(host, file, FILE_CAP_DEFAULT, &text, NULL) == 0 && accounts_text_has(text, name);
}

int accounts_drop(const struct host *host, const char *file, const char *name, struct error *err)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;
	_cleanup_(strbuf_release) struct strbuf kept = STRBUF_INIT;
	struct file_attrs attrs;
	int r = file_state_read(host, file, &now, err);

	if (r < 0 || !now.exists || !accounts_text_has(now.data, name))
		return r;
	for (const char *line = now.data; *line; line = accounts_next(line)) {
		if (!accounts_is_of(line, name))
			strbuf_add(&kept, line, (size_t)(accounts_next(line) - line));
	}
	if (strbuf_failed(&kept))
		return error_errno(err, ENOMEM, "write '%s'", file);
	attrs = (struct file_attrs){ .mode = now.mode, .uid = now.uid, .gid = now.gid };
	return host_write(host, file, strbuf_str(&kept), kept.len, &attrs, err);
}
