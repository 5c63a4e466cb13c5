#include "sandbox/creating.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/units.h"

#define TEXT_MAX 64
#define STAT_CAP 4096
#define BETWEEN	 18 /* fields of /proc/PID/stat between the state and when it was started (proc(5): 3 and 22) */

/* When a process was started, in ticks since boot; 0: there is none of that number, or it has ended. */
static uint64_t started_at(uint64_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%llu/stat", (unsigned long long)pid), *text = NULL;
	char *save, *state;
	uint64_t at = 0;

	if (!path || file_read_at(AT_FDCWD, path, STAT_CAP, &text, NULL) < 0)
		return 0;
	save = strrchr(text, ')'); /* behind a name that may have anything in it */
	if (!save || save[1] != ' ')
		return 0;
	save += 2;
	state = strsep(&save, " ");
	if (*state == 'Z' || *state == 'X')
		return 0;
	for (int i = 0; save && i < BETWEEN; i++)
		(void)strsep(&save, " ");
	return save && u64_parse(strsep(&save, " "), &at) == 0 ? at : 0;
}

static char *note_of(const char *id)
{
	return xasprintf(".creating.%s", id);
}

/* "<pid> <when it was started>" */
static bool is_at_work(int notes, const char *note)
{
	char text[TEXT_MAX], *blank;
	ssize_t n = readlinkat(notes, note, text, sizeof(text) - 1);
	uint64_t pid, at;

	if (n < 0)
		return false;
	text[n] = '\0';
	blank = strchr(text, ' ');
	if (!blank)
		return false;
	*blank = '\0';
	return u64_parse(text, &pid) == 0 && u64_parse(blank + 1, &at) == 0 && at && pid != (uint64_t)getpid() &&
	       started_at(pid) == at;
}

static int note_this(int notes, const char *note)
{
	uint64_t pid = (uint64_t)getpid();
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)pid, (unsigned long long)started_at(pid));
	(void)unlinkat(notes, note, 0);
	return symlinkat(text, notes, note) < 0 ? -errno : 0;
}

int creating_begin(const char *notes, const char *root, const char *id, struct error *err)
{
	_cleanup_free_ char *state = xasprintf("%s/%s", root, id), *note = note_of(id);
	_cleanup_fd_ int dir = open(notes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (!state || !note)
		return error_errno(err, ENOMEM, "note container %.64s", id);
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return error_errno(err, errno, "lock '%s'", notes);
	if (lstat(state, &st) == 0 || is_at_work(dir, note))
		return 0;
	r = note_this(dir, note);
	return r < 0 ? error_errno(err, r, "note in '%s' that container %.64s is made", notes, id) : 1;
}

void creating_forget(const char *notes, const char *id)
{
	_cleanup_free_ char *note = note_of(id), *path = note ? xasprintf("%s/%s", notes, note) : NULL;

	if (path)
		(void)unlink(path);
}
