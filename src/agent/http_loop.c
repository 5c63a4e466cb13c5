#include "agent/http_loop.h"

#include <event2/event.h>

struct socket_watch {
	struct socket_watch *next;
	struct http_loop *loop;
	int fd;
	struct event *event;
};

struct http_loop {
	struct event_base *base;
	struct http_multi *multi;
	struct event *timer;
	struct socket_watch *first;
};

static void on_socket(evutil_socket_t fd, short what, void *userdata)
{
	struct http_loop *loop = userdata;

	http_multi_ready(loop->multi, (int)fd,
			 (what & EV_READ ? HTTP_READ : 0) | (what & EV_WRITE ? HTTP_WRITE : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct http_loop *loop = userdata;

	(void)fd;
	(void)what;
	http_multi_timeout(loop->multi);
}

static void unwatch(struct http_loop *loop, int fd)
{
	for (struct socket_watch **at = &loop->first; *at; at = &(*at)->next) {
		struct socket_watch *w = *at;

		if (w->fd != fd)
			continue;
		*at = w->next;
		event_free(w->event);
		free(w);
		return;
	}
}

static void watch(void *userdata, int fd, unsigned what)
{
	struct http_loop *loop = userdata;
	short events = (short)((what & HTTP_READ ? EV_READ : 0) | (what & HTTP_WRITE ? EV_WRITE : 0));
	struct socket_watch *w;

	unwatch(loop, fd);
	if (!what)
		return;
	w = calloc(1, sizeof(*w));
	if (!w)
		return; /* the request ends at its deadline */
	w->fd = fd;
	w->event = event_new(loop->base, fd, (short)(events | EV_PERSIST), on_socket, loop);
	if (!w->event || event_add(w->event, NULL) < 0) {
		if (w->event)
			event_free(w->event);
		free(w);
		return;
	}
	w->next = loop->first;
	loop->first = w;
}

static void timer(void *userdata, long ms)
{
	struct http_loop *loop = userdata;
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (ms < 0)
		(void)evtimer_del(loop->timer);
	else
		(void)evtimer_add(loop->timer, &tv);
}

int http_loop_new(struct event_base *base, struct http_loop **ret, struct error *err)
{
	struct http_loop *loop = calloc(1, sizeof(*loop));
	const struct http_hooks hooks = { watch, timer, loop };
	int r;

	if (!loop)
		return error_errno(err, ENOMEM, "prepare for HTTP requests");
	loop->base = base;
	loop->timer = evtimer_new(base, on_timer, loop);
	r = loop->timer ? http_multi_new(&hooks, &loop->multi, err) :
			  error_errno(err, ENOMEM, "prepare for HTTP requests");
	if (r < 0) {
		http_loop_free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

void http_loop_free(struct http_loop *loop)
{
	if (!loop)
		return;
	http_multi_free(loop->multi);
	while (loop->first)
		unwatch(loop, loop->first->fd);
	if (loop->timer)
		event_free(loop->timer);
	free(loop);
}

struct http_multi *http_loop_multi(struct http_loop *loop)
{
	return loop->multi;
}
