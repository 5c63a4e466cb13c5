#include "engine/http.h"

#include <signal.h>
#include <strings.h>
#include <time.h>

#include "engine/http_transfer.h"

void http_response_release(struct http_response *response)
{
	strv_release(&response->headers);
	strbuf_release(&response->body);
	*response = HTTP_RESPONSE_INIT;
}

const char *http_header(const struct http_response *response, const char *name)
{
	size_t n = strlen(name);

	strv_foreach (&response->headers, i, line) {
		if (strncasecmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

char *http_url_plain(const char *url)
{
	const char *authority = strstr(url, "://");
	const char *end, *at;

	authority = authority ? authority + 3 : url;
	end = authority + strcspn(authority, "/?#");
	at = memrchr(authority, '@', (size_t)(end - authority));
	at = at ? at + 1 : authority;
	return xasprintf("%.*s%.*s", (int)(authority - url), url, (int)strcspn(at, "?#"), at);
}

bool http_error_passing(int r)
{
	return r == -ETIMEDOUT || r == -ECONNREFUSED || r == -ECONNRESET || r == -EHOSTUNREACH ||
	       r == -ENETUNREACH;
}

bool http_status_passing(long status)
{
	return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

/* libcurl writes to sockets through OpenSSL too, which does not ask for MSG_NOSIGNAL. */
static CURLcode perform_without_sigpipe(CURL *curl)
{
	static const struct timespec NOW = { 0 };
	sigset_t pipe_set, before, pending;
	bool was_pending;
	CURLcode rc;

	(void)sigemptyset(&pipe_set);
	(void)sigaddset(&pipe_set, SIGPIPE);
	(void)sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	(void)pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
	rc = curl_easy_perform(curl);
	if (!was_pending) {
		while (sigtimedwait(&pipe_set, NULL, &NOW) < 0 && errno == EINTR)
			;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int http_request(const struct http_request *request, struct http_response *ret, struct error *err)
{
	_cleanup_(transfer_release) struct transfer t = { .request = request, .response = ret };
	int r;

	*ret = HTTP_RESPONSE_INIT;
	r = transfer_prepare(&t, err);
	return r < 0 ? r : transfer_finish(&t, perform_without_sigpipe(t.curl), err);
}
