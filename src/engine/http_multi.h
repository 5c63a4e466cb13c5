/*
 * Many HTTP requests at once for a program with an event loop: none of these functions waits.
 *
 * The loop is the caller's: it is told by hooks which descriptors to watch and when to call again.
 * Requests and their errors are those of http.h; their strings are copied.
 */
#ifndef ENGINE_HTTP_MULTI_H
#define ENGINE_HTTP_MULTI_H

#include "engine/http.h"

enum http_watch {
	HTTP_READ = 1,
	HTTP_WRITE = 2,
};

struct http_hooks {
	/* Watch the descriptor for these (enum http_watch), and for no other; 0: no more. */
	void (*watch)(void *userdata, int fd, unsigned what);
	/* Call http_multi_timeout() after so many milliseconds, once; negative: not any more. */
	void (*timer)(void *userdata, long ms);
	void *userdata;
};

struct http_multi;
struct http_exchange;

int http_multi_new(const struct http_hooks *hooks, struct http_multi **ret, struct error *err);

/* Requests that are not answered end, without a call. */
void http_multi_free(struct http_multi *multi);

/*
 * r: as http_request() returns it, `err` with its message. The response is released behind the call. It
 * may start and cancel others.
 */
typedef void (*http_done_fn)(void *userdata, int r, const struct http_response *response,
			     const struct error *err);

/* `ret` (may be NULL) is good until `done` is called or it is cancelled. */
int http_multi_start(struct http_multi *multi, const struct http_request *request,
		     http_done_fn done, void *userdata, struct http_exchange **ret,
		     struct error *err);

/* Without a call of `done`. NULL is fine. Not from the request's own sink. */
void http_multi_cancel(struct http_exchange *exchange);

/* What the loop calls. */
void http_multi_ready(struct http_multi *multi, int fd, unsigned what);
void http_multi_timeout(struct http_multi *multi);

/* How many have no answer yet. */
size_t http_multi_pending(const struct http_multi *multi);

#endif
