#include "engine/http_multi.h"

#include "engine/http_transfer.h"

struct http_exchange {
	struct http_multi *multi;
	struct http_exchange *prev, *next;
	struct http_request request;
	struct http_response response;
	struct transfer transfer;
	struct strv headers;
	char *method, *url, *socket_path, *content_type, *body, *authorities;
	http_done_fn done;
	void *userdata;
};

struct http_multi {
	CURLM *curl;
	struct http_hooks hooks;
	struct http_exchange *first;
	size_t pending;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketdata)
{
	static const unsigned WATCH[] = {
		[CURL_POLL_NONE] = 0,
		[CURL_POLL_IN] = HTTP_READ,
		[CURL_POLL_OUT] = HTTP_WRITE,
		[CURL_POLL_INOUT] = HTTP_READ | HTTP_WRITE,
		[CURL_POLL_REMOVE] = 0,
	};
	struct http_multi *multi = userdata;

	(void)easy;
	(void)socketdata;
	multi->hooks.watch(multi->hooks.userdata, fd, WATCH[what]);
	return 0;
}

static int on_timer(CURLM *curl, long ms, void *userdata)
{
	struct http_multi *multi = userdata;

	(void)curl;
	multi->hooks.timer(multi->hooks.userdata, ms);
	return 0;
}

int http_multi_new(const struct http_hooks *hooks, struct http_multi **ret, struct error *err)
{
	struct http_multi *multi = calloc(1, sizeof(*multi));

	if (!multi)
		return error_errno(err, ENOMEM, "prepare for HTTP requests");
	multi->hooks = *hooks;
	multi->curl = curl_multi_init();
	if (!multi->curl || curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi) ||
	    curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_timer) ||
	    curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi)) {
		http_multi_free(multi);
		return error_errno(err, ENOMEM, "prepare for HTTP requests");
	}
	*ret = multi;
	return 0;
}

static void exchange_free(struct http_exchange *e)
{
	if (e->transfer.curl)
		(void)curl_multi_remove_handle(e->multi->curl, e->transfer.curl);
	transfer_release(&e->transfer);
	http_response_release(&e->response);
	strv_release(&e->headers);
	free(e->method);
	free(e->url);
	free(e->socket_path);
	free(e->content_type);
	free(e->body);
	free(e->authorities);
	free(e);
}

static void take_out(struct http_exchange *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		e->multi->first = e->next;
	if (e->next)
		e->next->prev = e->prev;
	e->multi->pending--;
}

void http_multi_cancel(struct http_exchange *e)
{
	if (!e)
		return;
	take_out(e);
	exchange_free(e);
}

void http_multi_free(struct http_multi *multi)
{
	if (!multi)
		return;
	while (multi->first)
		http_multi_cancel(multi->first);
	if (multi->curl)
		(void)curl_multi_cleanup(multi->curl);
	free(multi);
}

static int copy_string(const char *from, char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return from && !*ret ? -ENOMEM : 0;
}

static int copy_request(struct http_exchange *e, const struct http_request *from)
{
	int r = 0;

	e->request = *from;
	if (copy_string(from->method, &e->method) < 0 || copy_string(from->url, &e->url) < 0 ||
	    copy_string(from->socket_path, &e->socket_path) < 0 ||
	    copy_string(from->content_type, &e->content_type) < 0 ||
	    copy_string(from->authorities, &e->authorities) < 0)
		return -ENOMEM;
	for (const char *const *h = from->headers; r == 0 && h && *h; h++)
		r = strv_add(&e->headers, *h);
	if (r == 0 && from->body) {
		e->body = malloc(from->body_len + 1);
		if (!e->body)
			return -ENOMEM;
		memcpy(e->body, from->body, from->body_len);
	}
	e->request.method = e->method;
	e->request.url = e->url;
	e->request.socket_path = e->socket_path;
	e->request.content_type = e->content_type;
	e->request.authorities = e->authorities;
	e->request.headers = e->headers.len ? (const char *const *)e->headers.items : NULL;
	e->request.body = e->body;
	return r;
}

int http_multi_start(struct http_multi *multi, const struct http_request *request,
		     http_done_fn done, void *userdata, struct http_exchange **ret,
		     struct error *err)
{
	struct http_exchange *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return error_errno(err, ENOMEM, "prepare an HTTP request");
	e->multi = multi;
	e->done = done;
	e->userdata = userdata;
	e->transfer.request = &e->request;
	e->transfer.response = &e->response;
	r = copy_request(e, request) < 0 ? error_errno(err, ENOMEM, "prepare an HTTP request") :
					   transfer_prepare(&e->transfer, err);
	if (r == 0 && (curl_easy_setopt(e->transfer.curl, CURLOPT_PRIVATE, e) ||
		       curl_multi_add_handle(multi->curl, e->transfer.curl)))
		r = error_errno(err, ENOMEM, "begin an HTTP request");
	if (r < 0) {
		exchange_free(e);
		return r;
	}
	e->next = multi->first;
	if (e->next)
		e->next->prev = e;
	multi->first = e;
	multi->pending++;
	if (ret)
		*ret = e;
	return 0;
}

/* Tell those that have ended. */
static void finish(struct http_multi *multi)
{
	const CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi->curl, &left))) {
		struct error err = ERROR_INIT;
		struct http_exchange *e = NULL;
		CURLcode rc = message->data.result;
		int r;

		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &e) || !e)
			continue;
		r = transfer_finish(&e->transfer, rc, &err);
		take_out(e);
		e->done(e->userdata, r, &e->response, &err);
		exchange_free(e);
	}
}

void http_multi_ready(struct http_multi *multi, int fd, unsigned what)
{
	int running;

	(void)curl_multi_socket_action(multi->curl, fd,
				       (what & HTTP_READ ? CURL_CSELECT_IN : 0) |
					       (what & HTTP_WRITE ? CURL_CSELECT_OUT : 0),
				       &running);
	finish(multi);
}

void http_multi_timeout(struct http_multi *multi)
{
	int running;

	(void)curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	finish(multi);
}

size_t http_multi_pending(const struct http_multi *multi)
{
	return multi->pending;
}
