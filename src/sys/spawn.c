#include "sys/spawn.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/units.h"
#include "sys/spawn_child.h"

#define DEFAULT_CAP   ((size_t)1 << 20)
#define READ_CHUNK    16384
#define TERM_GRACE_MS 5000 /* from SIGTERM to SIGKILL */
#define KILL_GRACE_MS 5000 /* from SIGKILL to giving up: a process stuck in the kernel */
#define DRAIN_MS      100  /* for output of those the program left behind */
#define WAIT_POLL_MS  20   /* between looks at a child without a pidfd */
#define NEVER	      UINT64_MAX

enum phase { PHASE_RUNNING, PHASE_TERMINATED, PHASE_KILLED };

struct stream {
	int number;
	int *fd;
	size_t cap;
	struct strbuf kept;
	struct strbuf line;
};

struct run {
	const char *path;
	const struct spawn_options *options;
	struct spawn_child child;
	struct stream streams[2];
	struct spawn_failure failure;
	bool failed; /* `failure` has come */
	bool exited; /* ended, not yet reaped: its process group's number is still its own */
	enum phase phase;
	uint64_t until; /* when this phase is over; once it has exited: when draining is */
};

static void run_release(struct run *run)
{
	spawn_child_release(&run->child);
	for (size_t i = 0; i < ARRAY_SIZE(run->streams); i++) {
		strbuf_release(&run->streams[i].kept);
		strbuf_release(&run->streams[i].line);
	}
}

void spawn_result_release(struct spawn_result *result)
{
	strbuf_release(&result->out);
	strbuf_release(&result->err);
	*result = SPAWN_RESULT_INIT;
}

static uint64_t after_ms(uint64_t ms)
{
	uint64_t at;

	return __builtin_add_overflow(monotonic_ms(), ms, &at) ? NEVER : at;
}

static void deliver_line(const struct run *run, struct stream *stream)
{
	run->options->on_line(run->options->userdata, stream->number, strbuf_str(&stream->line));
	strbuf_reset(&stream->line);
}

static void feed_lines(const struct run *run, struct stream *stream, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t piece = end ? (size_t)(end - data) : len;

		strbuf_add(&stream->line, data, MIN_OF(piece, SPAWN_LINE_MAX - stream->line.len));
		if (end) {
			deliver_line(run, stream);
			piece++;
		}
		data += piece;
		len -= piece;
	}
}

/* One read; what it brought, 0 when nothing is there now. At its end the stream is closed. */
static size_t stream_read(const struct run *run, struct stream *stream)
{
	char chunk[READ_CHUNK];
	ssize_t n;

	if (*stream->fd < 0)
		return 0;
	n = read(*stream->fd, chunk, sizeof(chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		*stream->fd = fd_close(*stream->fd);
		return 0;
	}
	strbuf_add(&stream->kept, chunk, MIN_OF((size_t)n, stream->cap - stream->kept.len));
	if (run->options->on_line)
		feed_lines(run, stream, chunk, (size_t)n);
	return (size_t)n;
}

/* What is in the pipe now, and no more: somebody may go on writing for ever. */
static void stream_drain(const struct run *run, struct stream *stream)
{
	int waiting = 0;

	if (*stream->fd < 0 || ioctl(*stream->fd, FIONREAD, &waiting) < 0)
		return;
	for (size_t left = waiting > 0 ? (size_t)waiting : 0; left;) {
		size_t n = stream_read(run, stream);

		if (n == 0)
			break;
		left -= MIN_OF(n, left);
	}
}

static void read_failure(struct run *run)
{
	ssize_t n;

	if (run->child.exec_fd < 0)
		return;
	n = read(run->child.exec_fd, &run->failure, sizeof(run->failure));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	run->failed = n == (ssize_t)sizeof(run->failure);
	run->child.exec_fd = fd_close(run->child.exec_fd);
}

static void kill_group(const struct run *run, int number)
{
	(void)kill(-run->child.pid, number);
	(void)kill(run->child.pid, number); /* it may not have made its group yet */
	if (number != SIGKILL)
		(void)kill(-run->child.pid, SIGCONT);
}

static void note_exit(struct run *run)
{
	run->exited = true;
	read_failure(run);
	for (size_t i = 0; i < ARRAY_SIZE(run->streams); i++)
		stream_drain(run, &run->streams[i]);
	/* After SIGTERM those it left behind have the rest of their five seconds. */
	if (run->phase != PHASE_TERMINATED)
		run->until = after_ms(DRAIN_MS);
}

/* 1 when the child has ended; it stays a zombie, so that its number (and group) is not reused. */
static int look_for_exit(const struct run *run)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)run->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno == EINTR ? 0 : -errno;
	return info.si_pid != 0;
}

static int poll_timeout(const struct run *run)
{
	uint64_t now = monotonic_ms();
	uint64_t wait = run->until == NEVER ? NEVER : run->until > now ? run->until - now : 0;

	if (!run->exited && run->child.pidfd < 0)
		wait = MIN_OF(wait, (uint64_t)WAIT_POLL_MS);
	if (wait == NEVER)
		return -1;
	return (int)MIN_OF(wait, (uint64_t)60000);
}

static int poll_once(struct run *run)
{
	struct pollfd fds[] = {
		{ .fd = run->child.out_fd, .events = POLLIN },
		{ .fd = run->child.err_fd, .events = POLLIN },
		{ .fd = run->child.exec_fd, .events = POLLIN },
		{ .fd = run->exited ? -EBADF : run->child.pidfd, .events = POLLIN },
	};
	int r = poll(fds, ARRAY_SIZE(fds), poll_timeout(run));

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	for (size_t i = 0; i < ARRAY_SIZE(run->streams); i++) {
		if (fds[i].revents)
			(void)stream_read(run, &run->streams[i]);
	}
	if (fds[2].revents)
		read_failure(run);
	if (!run->exited && (fds[3].revents || run->child.pidfd < 0)) {
		r = look_for_exit(run);
		if (r < 0)
			return r;
		if (r)
			note_exit(run);
	}
	return 0;
}

/* The phase has lasted its time. */
static int escalate(struct run *run)
{
	switch (run->phase) {
	case PHASE_RUNNING:
		kill_group(run, SIGTERM);
		run->phase = PHASE_TERMINATED;
		run->until = after_ms(TERM_GRACE_MS);
		return 0;
	case PHASE_TERMINATED:
		kill_group(run, SIGKILL);
		run->phase = PHASE_KILLED;
		run->until = after_ms(KILL_GRACE_MS);
		return 0;
	case PHASE_KILLED:
		break;
	}
	return -ETIMEDOUT;
}

static int run_until_end(struct run *run)
{
	for (;;) {
		int r = poll_once(run);

		if (r < 0)
			return r;
		if (run->exited && run->child.out_fd < 0 && run->child.err_fd < 0)
			return 0;
		if (monotonic_ms() < run->until)
			continue;
		if (run->exited)
			return 0;
		r = escalate(run);
		if (r < 0)
			return r;
	}
}

/* Collect the child, alive or dead; without waiting where it is stuck in the kernel. */
static int reap(struct run *run, bool stuck, siginfo_t *ret)
{
	if (run->phase != PHASE_RUNNING || !run->exited)
		kill_group(run, SIGKILL);
	while (waitid(P_PID, (id_t)run->child.pid, ret, WEXITED | (stuck ? WNOHANG : 0)) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int failure_report(const struct run *run, struct error *err)
{
	int code = run->failure.code;

	switch (run->failure.stage) {
	case SPAWN_STAGE_CWD:
		return error_errno(err, code, "run '%s' in '%s'", run->path,
				   run->options->cwd ? run->options->cwd : "/");
	case SPAWN_STAGE_EXEC:
		return error_errno(err, code, "run '%s'", run->path);
	default:
		return error_errno(err, code, "prepare to run '%s'", run->path);
	}
}

static int hand_over(struct run *run, const siginfo_t *info, struct spawn_result *ret,
		     struct error *err)
{
	struct stream *streams = run->streams;

	for (size_t i = 0; i < ARRAY_SIZE(run->streams); i++) {
		if (streams[i].line.len && run->options->on_line)
			deliver_line(run, &streams[i]);
		if (strbuf_failed(&streams[i].kept))
			return error_errno(err, ENOMEM, "keep the output of '%s'", run->path);
	}
	if (!ret)
		return 0;
	*ret = (struct spawn_result){
		.exit_code = info->si_code == CLD_EXITED ? info->si_status : -1,
		.signal = info->si_code == CLD_EXITED ? 0 : info->si_status,
		.timed_out = run->phase != PHASE_RUNNING,
		.out = streams[0].kept,
		.err = streams[1].kept,
	};
	streams[0].kept = streams[1].kept = STRBUF_INIT;
	return 0;
}

int spawn_run(const char *path, const char *const *argv, const struct spawn_options *options,
	      struct spawn_result *ret, struct error *err)
{
	static const struct spawn_options none = { 0 };
	_cleanup_(run_release) struct run run = { .path = path, .child = SPAWN_CHILD_INIT };
	siginfo_t info = { 0 };
	size_t cap;
	int r, reaped;

	run.options = options ? options : &none;
	cap = run.options->output_cap ? run.options->output_cap : DEFAULT_CAP;
	run.streams[0] = (struct stream){ .number = 1, .fd = &run.child.out_fd, .cap = cap };
	run.streams[1] = (struct stream){ .number = 2, .fd = &run.child.err_fd, .cap = cap };
	if (path[0] != '/')
		return error_set(err, EINVAL, "run '%s': not an absolute path", path);
	r = spawn_child_start(path, argv, run.options, &run.child, err);
	if (r < 0)
		return r;
	run.until = run.options->timeout_ms ? after_ms(run.options->timeout_ms) : NEVER;
	r = run_until_end(&run);
	/* ECHILD: somebody else has reaped it, its number may be a stranger's by now. */
	reaped = r == -ECHILD ? r : reap(&run, r == -ETIMEDOUT, &info);
	if (r == -ETIMEDOUT)
		return error_set(err, ETIMEDOUT, "'%s' does not end, not even by SIGKILL", path);
	if (r < 0 || reaped < 0)
		return error_errno(err, r < 0 ? r : reaped, "wait for '%s'", path);
	if (run.failed)
		return failure_report(&run, err);
	return hand_over(&run, &info, ret, err);
}

/* The last line with anything in it, of each stream; then on to the caller's own function. */
struct last_words {
	char lines[2][256];
	const struct spawn_options *options;
};

static void remember_line(void *userdata, int stream, const char *line)
{
	struct last_words *words = userdata;

	if (line[strspn(line, " \t\r")])
		(void)snprintf(words->lines[stream - 1], sizeof(words->lines[0]), "%s", line);
	if (words->options->on_line)
		words->options->on_line(words->options->userdata, stream, line);
}

static int judge(const char *path, const struct spawn_options *options,
		 const struct spawn_result *result, const struct last_words *words,
		 struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *said = words->lines[1][0] ? words->lines[1] : words->lines[0];
	const char *name = slash ? slash + 1 : path;
	const char *colon = *said ? ": " : "";
	char time[UNITS_MAX];

	if (result->timed_out)
		return error_set(err, ETIMEDOUT, "'%s' was not done after %s and was stopped%s%s",
				 name, duration_format(options->timeout_ms, time), colon, said);
	if (result->signal)
		return error_set(err, EPROTO, "'%s' was ended by signal %d (%s)%s%s", name,
				 result->signal, strsignal(result->signal), colon, said);
	if (result->exit_code != 0)
		return error_set(err, EPROTO, "'%s' ended with exit status %d%s%s", name,
				 result->exit_code, colon, said);
	return 0;
}

int spawn_check(const char *path, const char *const *argv, const struct spawn_options *options,
		struct spawn_result *ret, struct error *err)
{
	static const struct spawn_options none = { 0 };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct last_words words = { .options = options ? options : &none };
	struct spawn_options mine = *words.options;
	int r;

	mine.on_line = remember_line;
	mine.userdata = &words;
	r = spawn_run(path, argv, &mine, &result, err);
	if (r < 0)
		return r;
	r = judge(path, &mine, &result, &words, err);
	if (ret) {
		*ret = result;
		result = SPAWN_RESULT_INIT;
	}
	return r;
}
