#include "agent/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "node/judge.h"
#include "sys/pidfd.h"
#include "sys/spawn_child.h"

#define LINE_CAP ((size_t)1 << 20)
#define WAIT	 "--wait=5s" /* for another berth's lock; after it the agent has better things to do */

extern char **environ;

struct worker_child {
	struct worker *worker;
	struct spawn_child process;
	struct event *out, *err_out, *end;
	struct strbuf lines;
	struct worker_result result;
	uint64_t start;
};

static void child_free(struct worker_child *child)
{
	if (child->out)
		event_free(child->out);
	if (child->err_out)
		event_free(child->err_out);
	if (child->end)
		event_free(child->end);
	spawn_child_release(&child->process);
	strbuf_release(&child->lines);
	free(child);
}

static void set_message(struct worker_result *result, const char *text)
{
	if (text)
		(void)snprintf(result->message, sizeof(result->message), "%s", text);
}

/* Is it one for the audit log? What is only done later is not. */
static bool take_left(struct worker_result *result, const char *kind, const char *target, const char *why)
{
	bool masked = strncmp(why, JUDGE_MASKED, strlen(JUDGE_MASKED)) == 0;

	if (strncmp(why, JUDGE_WAITS, strlen(JUDGE_WAITS)) == 0) {
		const char *until = why + strlen(JUDGE_WAITS);

		result->interrupts |= strcmp(until, JUDGE_SLOT) == 0;
		(void)snprintf(result->until, sizeof(result->until), "%s", until);
		return false;
	}
	result->left++;
	result->masked += masked;
	result->interrupts |= strcmp(why, JUDGE_INTERRUPTS) == 0;
	if (masked && !result->masked_unit[0])
		(void)snprintf(result->masked_unit, sizeof(result->masked_unit), "%s", why + strlen(JUDGE_MASKED));
	if (!masked && !result->message[0])
		(void)snprintf(result->message, sizeof(result->message), "%s %s is left: %s", kind, target, why);
	return true;
}

/* An event of the stream that --json is. */
static void take_event(struct worker_child *child, const json_t *event)
{
	struct worker *worker = child->worker;
	const char *type = json_get_string(event, "event");
	const char *kind = json_get_string(event, "kind"), *target = json_get_string(event, "target");
	const char *error = json_get_string(event, "error"), *why = json_get_string(event, "why");

	if (error)
		set_message(&child->result, error);
	if (!type || !kind || !target)
		return;
	if (strcmp(type, "change-end") == 0) {
		bool ok = json_get_bool(event, "ok", false);

		child->result.changed += ok;
		worker->change(worker->userdata, kind, target, ok, NULL);
	} else if (strcmp(type, "left") == 0) {
		if (take_left(&child->result, kind, target, why ? why : ""))
			worker->change(worker->userdata, kind, target, false, why ? why : "");
	}
}

static void take_line(struct worker_child *child, const char *line, size_t len)
{
	_cleanup_json_ json_t *event = NULL;

	if (json_parse(line, len, "an event", &event, NULL) == 0)
		take_event(child, event);
}

static void read_out(struct worker_child *child)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(child->process.out_fd, buf, sizeof(buf))) > 0) {
		const char *start, *newline;

		if (child->lines.len < LINE_CAP)
			strbuf_add(&child->lines, buf, (size_t)n);
		start = strbuf_str(&child->lines);
		while ((newline = strchr(start, '\n'))) {
			take_line(child, start, (size_t)(newline - start));
			start = newline + 1;
		}
		strbuf_consume(&child->lines, (size_t)(start - strbuf_str(&child->lines)));
	}
	if (n == 0)
		(void)event_del(child->out);
}

static void on_out(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	read_out(userdata);
}

/* What it says there is in its last event, too: read, that it does not stop at a full pipe. */
static void on_err_out(evutil_socket_t fd, short what, void *userdata)
{
	struct worker_child *child = userdata;
	char buf[4096];
	ssize_t n;

	(void)what;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	if (n == 0)
		(void)event_del(child->err_out);
}

static void on_end(evutil_socket_t fd, short what, void *userdata)
{
	struct worker_child *child = userdata;
	struct worker *worker = child->worker;
	struct worker_result result;
	int status = 0;

	(void)fd;
	(void)what;
	read_out(child);
	(void)waitpid(child->process.pid, &status, 0);
	child->result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	child->result.ms = monotonic_ms() - child->start;
	if (child->result.exit_code < 0 && !child->result.message[0])
		(void)snprintf(child->result.message, sizeof(child->result.message),
			       "berth converge was ended by signal %d", WTERMSIG(status));
	result = child->result;
	worker->child = NULL;
	child_free(child);
	worker->done(worker->userdata, &result);
}

static int watch(struct worker_child *child, struct error *err)
{
	struct event_base *base = child->worker->base;

	if (child->process.pidfd < 0)
		return error_set(err, ENOSYS, "this kernel has no pidfd_open: Linux 5.3 is needed");
	child->out = event_new(base, child->process.out_fd, EV_READ | EV_PERSIST, on_out, child);
	child->err_out = event_new(base, child->process.err_fd, EV_READ | EV_PERSIST, on_err_out, child);
	child->end = event_new(base, child->process.pidfd, EV_READ, on_end, child);
	if (!child->out || !child->err_out || !child->end || event_add(child->out, NULL) < 0 ||
	    event_add(child->err_out, NULL) < 0 || event_add(child->end, NULL) < 0)
		return error_errno(err, ENOMEM, "watch a child");
	return 0;
}

/* The words of the command line. */
static void spell(const struct worker_order *order, const char *argv[static 12])
{
	size_t n = 0;

	argv[n++] = "berth";
	argv[n++] = order->task == TASK_PLAN ? "plan" : "converge";
	argv[n++] = "--json";
	if (order->task != TASK_PLAN) {
		argv[n++] = WAIT;
		if (order->task == TASK_CONVERGE_QUICK)
			argv[n++] = "--quick";
		if (order->task == TASK_EVICT)
			argv[n++] = "--evict-stranded";
		if (order->task == TASK_START) {
			argv[n++] = "--unit";
			argv[n++] = order->unit;
		}
		if (order->repair)
			argv[n++] = "--repair";
		if (order->interrupts)
			argv[n++] = "--interrupts";
	}
	if (order->config) {
		argv[n++] = "--config";
		argv[n++] = order->config;
	}
}

int worker_start(struct worker *worker, const struct worker_order *order, struct error *err)
{
	const char *argv[12] = { NULL };
	struct spawn_options options = { .env = (const char *const *)environ };
	struct worker_child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return error_errno(err, ENOMEM, "start a repair");
	spell(order, argv);
	/* "/proc/self/fd/N", of a pod: the child's too. */
	if (order->config && strncmp(order->config, "/proc/self/fd/", 14) == 0)
		options.pass_fds[0] = (int)strtol(order->config + 14, NULL, 10);
	child->worker = worker;
	child->start = monotonic_ms();
	child->process = SPAWN_CHILD_INIT;
	r = spawn_child_start("/proc/self/exe", argv, &options, &child->process, err);
	if (r < 0) {
		child_free(child);
		return r;
	}
	r = watch(child, err);
	if (r < 0) {
		(void)kill(-child->process.pid, SIGKILL);
		(void)waitpid(child->process.pid, NULL, 0);
		child_free(child);
		return r;
	}
	worker->child = child;
	return 0;
}

void worker_release(struct worker *worker)
{
	if (worker->child)
		child_free(worker->child);
	worker->child = NULL;
}
