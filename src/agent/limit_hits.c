#include "agent/limit_hits.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include "agent/inside.h"
#include "agent/say.h"
#include "base/clock.h"
#include "change/change.h"
#include "sandbox/name.h"
#include "sandbox/pool_dirs.h"
#include "step/sandbox.h"

#define AT_ONCE	 64    /* messages read in one turn */
#define PAUSE_S	 1     /* after a turn that was full */
#define SAID_MS	 60000 /* between two lines about one project */
#define PROJECTS 4096  /* counted at most; then the one whose last hit was the longest ago gives its place up */

struct hit {
	uint32_t project;
	char *sandbox; /* whose project it is: another one with a reused number begins at 0 */
	uint64_t count, said, last;
};

struct limit_hits {
	int fd;
	struct event *event, *pause;
	struct hit *items;
	size_t len;
};

static struct hit *find(const struct limit_hits *hits, uint32_t project)
{
	for (size_t i = 0; i < hits->len; i++) {
		if (hits->items[i].project == project)
			return &hits->items[i];
	}
	return NULL;
}

/* A place for one more: a new one, or the oldest's. */
static struct hit *make_room(struct limit_hits *hits)
{
	struct hit *items, *oldest = hits->items;

	for (size_t i = 0; hits->len == PROJECTS && i < hits->len; i++) {
		if (hits->items[i].last < oldest->last)
			oldest = &hits->items[i];
	}
	if (hits->len == PROJECTS)
		return oldest;
	items = reallocarray(hits->items, hits->len + 1, sizeof(*items));
	if (!items)
		return NULL;
	hits->items = items;
	items[hits->len] = (struct hit){ 0 };
	return &items[hits->len++];
}

/* Of that project and sandbox. NULL: no memory. */
static struct hit *find_or_add(struct limit_hits *hits, uint32_t project, const char *sandbox)
{
	struct hit *hit = find(hits, project);
	char *copy;

	if (hit && strcmp(hit->sandbox, sandbox) == 0)
		return hit;
	copy = strdup(sandbox);
	if (copy && !hit)
		hit = make_room(hits);
	if (!copy || !hit) {
		free(copy);
		return NULL;
	}
	free(hit->sandbox);
	*hit = (struct hit){ .project = project, .sandbox = copy };
	return hit;
}

/* Whose project it is; NULL: no sandbox's. */
static char *sandbox_of(const struct agent *agent, uint32_t project)
{
	_cleanup_free_ char *path = xasprintf(POOL_DIR "/" POOL_PROJECTS "/%u", project);
	char *id = NULL;

	return path && host_readlink(&agent->host, path, &id) == 0 ? id : NULL;
}

/* What its engine calls it; NULL: nobody knows. */
static char *name_of(const struct agent *agent, const char *id)
{
	_cleanup_fd_ int pool = host_open(&agent->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct settings settings = settings_default();
	const char *engine;
	char *name = NULL;

	(void)settings_read(SETTINGS_PATH, &settings, NULL);
	return pool >= 0 && sandbox_name(&settings, pool, id, &name, &engine) ? name : NULL;
}

/* Of a proof of the host, which fills its budget on purpose, nothing is said. */
static void tell(const struct agent *agent, const struct dquot_event *event, const char *id)
{
	_cleanup_free_ char *name = name_of(agent, id);

	if (name && strcmp(name, SANDBOX_NAME) == 0)
		return;
	say(SAY_INFO, event->inodes ? "a sandbox has used up its inodes" : "a sandbox has used up its disk budget",
	    "sandbox", id, "name", name);
}

static void count(struct agent *agent, const struct dquot_event *event)
{
	_cleanup_free_ char *id = event->hard ? sandbox_of(agent, event->project) : NULL;
	struct hit *hit = id ? find_or_add(agent->hits, event->project, id) : NULL;
	uint64_t now = monotonic_ms();

	if (!hit)
		return;
	hit->count++;
	hit->last = now;
	if (hit->said && now - hit->said < SAID_MS)
		return;
	hit->said = now;
	tell(agent, event, id);
}

void limit_hits_take(struct agent *agent, const struct dquot_event *events, size_t n)
{
	struct stat pool;

	if (!agent->hits || host_stat(&agent->host, POOL_DIR, &pool, true) < 0)
		return;
	/* The kernel tells of every file system, and their projects have the same numbers. */
	for (size_t i = 0; i < n; i++) {
		if (events[i].device_major == major(pool.st_dev) && events[i].device_minor == minor(pool.st_dev))
			count(agent, &events[i]);
	}
}

static void on_events(evutil_socket_t fd, short what, void *userdata)
{
	static const struct timeval PAUSE = { .tv_sec = PAUSE_S };
	struct agent *agent = userdata;
	struct dquot_event events[8];
	int n = 0, read = 0;

	(void)what;
	while (read < AT_ONCE && (n = dquot_events_read((int)fd, events, ARRAY_SIZE(events))) > 0) {
		limit_hits_take(agent, events, (size_t)n);
		read += n;
	}
	agent->events[SOURCE_QUOTA]++;
	if (n == 0)
		return;
	/* What does not fit into the socket's buffer meanwhile is lost, and only missing in a count. */
	(void)event_del(agent->hits->event);
	(void)event_add(agent->hits->pause, &PAUSE);
}

static void on_pause(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	(void)event_add(agent->hits->event, NULL);
}

void limit_hits_open(struct agent *agent)
{
	struct limit_hits *hits = calloc(1, sizeof(*hits));
	struct error err = ERROR_INIT;

	if (!hits)
		return;
	hits->fd = -EBADF;
	agent->hits = hits;
	if (dquot_events_open(&hits->fd, &err) < 0) {
		say(SAY_WARN, "sandboxes at their limit are not counted", "why", err.message);
		return;
	}
	hits->event = event_new(agent->base, hits->fd, EV_READ | EV_PERSIST, on_events, agent);
	hits->pause = evtimer_new(agent->base, on_pause, agent);
	if (!hits->event || !hits->pause || event_add(hits->event, NULL) < 0)
		limit_hits_close(agent);
}

void limit_hits_close(struct agent *agent)
{
	struct limit_hits *hits = agent->hits;

	if (!hits)
		return;
	if (hits->event)
		event_free(hits->event);
	if (hits->pause)
		event_free(hits->pause);
	fd_closep(&hits->fd);
	for (size_t i = 0; i < hits->len; i++)
		free(hits->items[i].sandbox);
	free(hits->items);
	free(hits);
	agent->hits = NULL;
}

uint64_t limit_hits_of(const struct agent *agent, uint32_t project, const char *sandbox)
{
	const struct hit *hit = agent->hits ? find(agent->hits, project) : NULL;

	return hit && strcmp(hit->sandbox, sandbox) == 0 ? hit->count : 0;
}
