#include "agent/watch.h"

#include "agent/limit_hits.h"
#include "agent/say.h"
#include "base/clock.h"
#include "sys/file_watch.h"
#include "sys/mount_watch.h"
#include "sys/pidfd.h"

/* Until it is looked again for a daemon that ended since the last look, or cannot be watched for want of something. */
#define ENDED_MS     5
#define UNWATCHED_MS 1000

struct daemon_watch {
	struct agent *agent;
	enum daemon_id id;
	pid_t pid; /* 0: none is watched */
	int fd;
	struct event *event;
};

struct watches {
	struct daemon_watch daemons[DAEMON_COUNT];
	struct mount_watch mounts;
	struct file_watch files;
	struct event *mounts_event, *files_event;
};

static struct event *add_reader(struct agent *agent, int fd, event_callback_fn fn, void *userdata)
{
	struct event *event = event_new(agent->base, fd, EV_READ | EV_PERSIST, fn, userdata);

	if (event && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static void drop(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

/* ---- daemons ---- */

static void forget_daemon(struct daemon_watch *d)
{
	drop(&d->event);
	fd_closep(&d->fd);
	d->pid = 0;
}

static void on_daemon_end(evutil_socket_t fd, short what, void *userdata)
{
	struct daemon_watch *d = userdata;
	struct agent *agent = d->agent;

	(void)fd;
	(void)what;
	forget_daemon(d);
	agent_event(agent, SOURCE_PROCESS);
}

void watch_daemons(struct agent *agent)
{
	for (int i = 0; i < DAEMON_COUNT; i++) {
		struct daemon_watch *d = &agent->watches->daemons[i];
		pid_t pid = agent->sight.pids[i];

		if (pid == d->pid)
			continue;
		forget_daemon(d);
		if (!pid)
			continue;
		d->fd = pidfd_open_process(pid);
		d->event = d->fd < 0 ? NULL : add_reader(agent, d->fd, on_daemon_end, d);
		if (d->event)
			d->pid = pid;
		else
			agent_look_in(agent, d->fd == -ESRCH ? ENDED_MS : UNWATCHED_MS);
	}
}

/* ---- mounts ---- */

static void on_mounts(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	mount_watch_take(&agent->watches->mounts);
	/* Each start of a sandbox changes them several times: one look for all of that. */
	agent->events[SOURCE_MOUNTS]++;
	agent_look_in(agent, 100);
}

/* ---- files ---- */

static void on_files(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;
	_cleanup_(strv_release) struct strv changed = STRV_INIT;
	int more = file_watch_take(&agent->watches->files, &changed);

	(void)fd;
	(void)what;
	if (!more && !changed.len)
		return;
	agent->events[SOURCE_FILES]++;
	agent_drift(agent, changed.len ? changed.items[0] : "");
}

static int add_owned(struct file_watch *files, const struct journal *journal, struct error *err)
{
	/* Whether its target is a file, and what other file its `want` names. */
	static const struct {
		const char *kind;
		bool target;
		const char *other;
	} KINDS[] = {
		{ "file", true, NULL },
		{ "json", true, NULL },
		{ "copy", true, NULL },
		{ "handler", true, "config" }, /* its drop-in, and what imports it */
		{ "crio-handler", true, NULL },
		{ "kubelet-switch", false, "drop_in" },
	};
	int r = 0;

	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];

		for (size_t k = 0; r == 0 && k < ARRAY_SIZE(KINDS); k++) {
			const char *other = KINDS[k].other ? json_get_string(e->want, KINDS[k].other) : NULL;

			if (!journal_in_force(e) || e->outcome || strcmp(e->kind, KINDS[k].kind) != 0)
				continue;
			if (KINDS[k].target)
				r = file_watch_add(files, e->target, err);
			if (r == 0 && other)
				r = file_watch_add(files, other, err);
		}
	}
	return r;
}

int watch_files(struct agent *agent, const struct journal *journal, struct error *err)
{
	struct watches *w = agent->watches;
	int r;

	drop(&w->files_event);
	file_watch_close(&w->files);
	r = file_watch_open(&w->files, err);
	if (r == 0)
		r = add_owned(&w->files, journal, err);
	if (r < 0)
		return r;
	w->files_event = add_reader(agent, w->files.fd, on_files, agent);
	return w->files_event ? 0 : error_errno(err, ENOMEM, "watch files");
}

/* ---- all of them ---- */

int watches_open(struct agent *agent, struct error *err)
{
	struct watches *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_errno(err, ENOMEM, "watch the node");
	agent->watches = w;
	w->mounts = MOUNT_WATCH_INIT;
	w->files = FILE_WATCH_INIT;
	for (int i = 0; i < DAEMON_COUNT; i++)
		w->daemons[i] = (struct daemon_watch){ .agent = agent, .id = (enum daemon_id)i, .fd = -EBADF };
	r = mount_watch_open(&w->mounts, err);
	if (r < 0)
		return r;
	w->mounts_event = add_reader(agent, w->mounts.fd, on_mounts, agent);
	return w->mounts_event ? 0 : error_errno(err, ENOMEM, "watch the node");
}

void watches_close(struct agent *agent)
{
	struct watches *w = agent->watches;

	if (!w)
		return;
	for (int i = 0; i < DAEMON_COUNT; i++)
		forget_daemon(&w->daemons[i]);
	drop(&w->mounts_event);
	drop(&w->files_event);
	mount_watch_close(&w->mounts);
	file_watch_close(&w->files);
	free(w);
	agent->watches = NULL;
}
