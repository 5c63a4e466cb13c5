/*
 * Run a program: an argv array, an absolute path, an environment given in full, a deadline and a
 * cap on what is kept of its output. Never a shell.
 *
 * The child gets standard input from /dev/null (or the bytes given), its own process group, default
 * signal dispositions and no descriptors but 0-2. That exec failed is reported through a pipe as an
 * errno of spawn_run itself, never confused with the program's exit status. At the deadline the
 * whole process group gets SIGTERM and, five seconds later, SIGKILL (at once where the program has
 * ended and nobody holds its output any more). Without a time-out nothing is killed: what a program
 * leaves running in the background stays, holds us up for a tenth of a second at most, and finds
 * its output closed afterwards.
 */
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include "base/error.h"
#include "base/strbuf.h"

#define SPAWN_LINE_MAX 16384

/*
 * A complete line the child printed (without newline), as it came; also the last one where it is
 * not ended. Cut at a NUL and past SPAWN_LINE_MAX bytes. `stream` is 1 or 2.
 */
typedef void (*spawn_line_fn)(void *userdata, int stream, const char *line);

struct spawn_options {
	const char *const *env; /* NULL: PATH, LANG=C.UTF-8 and nothing else */
	const char *cwd;	/* NULL: / */
	const void *input;	/* bytes for its standard input, NULL: /dev/null */
	size_t input_len;
	uint64_t timeout_ms; /* 0: none */
	size_t output_cap;   /* bytes kept of each stream, 0: 1 MiB; the rest is dropped */
	spawn_line_fn on_line;
	void *userdata;
	int pass_fds[4]; /* 3 or more, kept open under the same numbers; 0 ends the list */
};

struct spawn_result {
	int exit_code; /* 0-255, or -1 when a signal ended it */
	int signal;    /* that signal, else 0 */
	bool timed_out;
	struct strbuf out; /* owned by the caller: spawn_result_release */
	struct strbuf err;
};

#define SPAWN_RESULT_INIT ((struct spawn_result){ .exit_code = -1 })
void spawn_result_release(struct spawn_result *result);

/*
 * 0 when the program ran and ended, whatever its exit status. -ENOENT, -EACCES... when it could not
 * be executed, -EINVAL for a path that is not absolute, -ETIMEDOUT when not even SIGKILL ended it;
 * `err` says which program. `options` and `ret` may be NULL; `ret` is overwritten on success and
 * untouched on failure.
 */
int spawn_run(const char *path, const char *const *argv, const struct spawn_options *options,
	      struct spawn_result *ret, struct error *err);

/*
 * The same, and anything but exit 0 is -EPROTO (a time-out -ETIMEDOUT) with a sentence that has the
 * program's name, how it ended and the last line it said. `ret` is filled in these two cases as
 * well.
 */
int spawn_check(const char *path, const char *const *argv, const struct spawn_options *options,
		struct spawn_result *ret, struct error *err);

#endif
