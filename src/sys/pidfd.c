#include "sys/pidfd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

#include "base/file.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

int pidfd_open_process(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	/* One that is being buried has a number still and no task any more: EINVAL, from 6.9 on ENOENT. */
	if (fd < 0)
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	return fd; /* close-on-exec by its nature */
}

int pidfd_kill(int fd, int signal_number)
{
	return syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

static int read_proc(pid_t pid, const char *file, char **ret)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	r = file_read_at(AT_FDCWD, path, 4096, ret, NULL);
	return r == -ENOENT ? -ESRCH : r;
}

int process_state(pid_t pid, char *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = read_proc(pid, "stat", &text);
	const char *name;

	if (r < 0)
		return r;
	/* The name, in brackets, may have anything in it: it ends with the last of them. */
	name = strrchr(text, ')');
	if (!name || name[1] != ' ')
		return -EPROTO;
	*ret = name[2];
	return 0;
}

bool process_is_stopped(pid_t pid)
{
	char state;

	return process_state(pid, &state) == 0 && state == 'T';
}

int process_name(pid_t pid, char ret[static 16])
{
	_cleanup_free_ char *text = NULL;
	int r = read_proc(pid, "comm", &text);

	if (r < 0)
		return r;
	(void)snprintf(ret, 16, "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}
