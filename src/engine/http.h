/*
 * One HTTP request and its answer, blocking, by libcurl: over TCP (TLS and proxies as the
 * environment says: https_proxy, no_proxy...) or over a Unix socket (never by a proxy).
 *
 * Redirects are followed to http and https only, ten at the most, and not on a Unix socket.
 * HTTP/1.1 (unless `http2`), no cookies, no stored credentials, no content encodings: the bytes are those the server
 * has. No signal is used or raised. Certificates are checked against the host's own bundle of
 * authorities, or libcurl's default where it has none.
 *
 * Errors are about the exchange, in a sentence with method and URL (less its credentials and
 * query): -ETIMEDOUT (deadline or too slow), -ECONNREFUSED, -EHOSTUNREACH (name or route), -ENOENT
 * (no such socket), -ECONNRESET (broken off half-way), -EKEYREJECTED (certificate), -EFBIG (past a
 * cap), -EPROTO (not HTTP, or refused by the proxy), -ELOOP (redirects), -EINVAL (URL), or what a
 * callback returned. An answer with status 404 or 500 is an answer: 0 is returned and the caller
 * looks at `status`.
 */
#ifndef ENGINE_HTTP_H
#define ENGINE_HTTP_H

#include "base/strbuf.h"
#include "base/strv.h"
#include "host/host.h"

#define HTTP_BODY_CAP_DEFAULT ((size_t)1 << 20)
#define HTTP_TIMEOUT_DEFAULT  60000 /* ms */
#define HTTP_CONNECT_DEFAULT  15000 /* ms */
#define HTTP_SLOW_BYTES	      1024  /* per second: less than this is too slow */
#define HTTP_LENGTH_UNKNOWN   UINT64_MAX

struct http_response {
	long status;
	struct strv headers;	/* "Name: value" of the last answer, after redirects; trailers behind */
	struct strbuf body;	/* what no sink has taken */
	uint64_t retry_after_s; /* Retry-After, as number or date; 0: none */
};

#define HTTP_RESPONSE_INIT ((struct http_response){ 0 })
void http_response_release(struct http_response *response);

/* The value of a header, name in any case, without blanks around it; NULL: none. Borrowed. */
const char *http_header(const struct http_response *response, const char *name);

/*
 * A piece of a 2xx answer's body; `so_far` has status and headers. 0, or -errno to give up, which
 * http_request then returns.
 */
typedef int (*http_sink_fn)(void *userdata, const struct http_response *so_far, const void *data,
			    size_t len);

/* Up to `cap` next bytes of the request's body: how many, 0 at the end, or -errno to give up. */
typedef ssize_t (*http_source_fn)(void *userdata, void *buf, size_t cap);

struct http_request {
	const char *method;	    /* NULL: GET */
	const char *url;	    /* http:// or https://; with socket_path "/path?query" */
	const char *socket_path;    /* a Unix socket as this process sees it, or NULL */
	bool direct;		    /* by no proxy, whatever the environment says */
	bool fresh;		    /* by a connection of its own: can it be reached at all? */
	bool http2;		    /* HTTP/2 from the first byte, without TLS: as gRPC has it */
	const char *const *headers; /* NULL-terminated "Name: value", or NULL */
	const char *content_type;   /* of the body; NULL: application/octet-stream */

	const void *body; /* NULL with body_len 0 and no source: no body */
	size_t body_len;
	http_source_fn source; /* instead of `body` */
	uint64_t source_len;   /* bytes it will give, or HTTP_LENGTH_UNKNOWN (sent in chunks) */
	void *source_data;

	size_t body_cap;   /* of response.body, 0: HTTP_BODY_CAP_DEFAULT; more is -EFBIG */
	http_sink_fn sink; /* gets 2xx bodies; others go to response.body, cut at body_cap */
	void *sink_data;

	const struct host *host;     /* whose certificate authorities; NULL: this machine's */
	const char *authorities;     /* PEM text: these alone instead; NULL: see `host` */
	const char *certificate, *key; /* PEM text: who asks, where the server wants to know it by TLS; or NULL */
	uint64_t timeout_ms;	     /* of the whole exchange, 0: HTTP_TIMEOUT_DEFAULT */
	uint64_t connect_timeout_ms; /* 0: HTTP_CONNECT_DEFAULT */
	uint64_t slow_s; /* give up after so many seconds below HTTP_SLOW_BYTES; 0: never */
};

/* `ret` is overwritten in any case (release it): with the answer, or with what came of it. */
int http_request(const struct http_request *request, struct http_response *ret, struct error *err);

/* A URL fit for messages: no user, password, query or fragment. free() it; NULL without memory. */
char *http_url_plain(const char *url);

/* Would the same request have a chance later: connection troubles, 408, 429 and 5xx? */
bool http_error_passing(int r);
bool http_status_passing(long status);

#endif
