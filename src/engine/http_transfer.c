#include "engine/http_transfer.h"

#include <fcntl.h>
#include <limits.h>

#define HEADERS_MAX   128
#define HEADER_MAX    8192
#define REDIRECTS_MAX 10L
#define CA_CAP	      ((size_t)4 << 20)

#define SET(t, option, value)                                                 \
	do {                                                                  \
		if ((t)->rc == CURLE_OK)                                      \
			(t)->rc = curl_easy_setopt((t)->curl, option, value); \
	} while (0)

void transfer_release(struct transfer *t)
{
	if (t->curl)
		curl_easy_cleanup(t->curl);
	curl_slist_free_all(t->headers);
	free(t->url);
	free(t->plain);
	free(t->authorities);
}

static size_t on_header(char *data, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;
	size_t len = size * count, used = len;
	_cleanup_free_ char *line = NULL;

	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		/* Another answer begins: of a redirect's target, or after "100 Continue". */
		strv_release(&t->response->headers);
		return len;
	}
	while (used && strchr(" \t\r\n", data[used - 1]))
		used--;
	if (used == 0)
		return len;
	if (used > HEADER_MAX || t->response->headers.len >= HEADERS_MAX) {
		t->failed = -EFBIG;
		return 0;
	}
	line = strndup(data, used);
	if (!line || strv_add(&t->response->headers, line) < 0) {
		t->failed = -ENOMEM;
		return 0;
	}
	return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;
	struct http_response *response = t->response;
	size_t len = size * count;
	size_t cap = t->request->body_cap ? t->request->body_cap : HTTP_BODY_CAP_DEFAULT;
	size_t room = cap - MIN_OF(cap, response->body.len);

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &response->status);
	if (t->request->sink && response->status / 100 == 2) {
		t->failed = t->request->sink(t->request->sink_data, response, data, len);
		return t->failed < 0 ? 0 : len;
	}
	if (len > room && !t->request->sink) {
		t->failed = -EFBIG;
		return 0;
	}
	strbuf_add(&response->body, data, MIN_OF(len, room));
	if (strbuf_failed(&response->body)) {
		t->failed = -ENOMEM;
		return 0;
	}
	return len;
}

static size_t on_source(char *buf, size_t size, size_t count, void *userdata)
{
	struct transfer *t = userdata;
	ssize_t n = t->request->source(t->request->source_data, buf, size * count);

	if (n < 0) {
		t->failed = (int)n;
		return CURL_READFUNC_ABORT;
	}
	return (size_t)n;
}

static void add_header(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->headers, line);

	if (longer)
		t->headers = longer;
	else
		t->rc = CURLE_OUT_OF_MEMORY;
}

static void set_headers(struct transfer *t)
{
	const struct http_request *request = t->request;
	bool has_body = request->source || request->body;

	for (const char *const *h = request->headers; h && *h; h++)
		add_header(t, *h);
	/* Without these lines curl waits a second for "100 Continue" and claims to send a form. */
	add_header(t, "Expect:");
	if (has_body) {
		_cleanup_free_ char *type = xasprintf(
			"Content-Type: %s",
			request->content_type ? request->content_type : "application/octet-stream");

		if (type)
			add_header(t, type);
		else
			t->rc = CURLE_OUT_OF_MEMORY;
	} else {
		add_header(t, "Content-Type:");
	}
	if (request->source && request->source_len == HTTP_LENGTH_UNKNOWN)
		add_header(t, "Transfer-Encoding: chunked");
	SET(t, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(struct transfer *t)
{
	const struct http_request *request = t->request;

	set_headers(t);
	if (request->source) {
		SET(t, CURLOPT_POST, 1L);
		SET(t, CURLOPT_READFUNCTION, on_source);
		SET(t, CURLOPT_READDATA, t);
		if (request->source_len != HTTP_LENGTH_UNKNOWN)
			SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->source_len);
	} else if (request->body) {
		SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
		SET(t, CURLOPT_POSTFIELDS, (const char *)request->body);
	} else if (request->method && strcmp(request->method, "POST") == 0) {
		SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		SET(t, CURLOPT_POSTFIELDS, "");
	} else if (request->method && strcmp(request->method, "HEAD") == 0) {
		SET(t, CURLOPT_NOBODY, 1L);
	}
	if (request->method)
		SET(t, CURLOPT_CUSTOMREQUEST, request->method);
}

/* Debian, Red Hat and Amazon, SUSE, Alpine. Read, not named to libcurl: a rooted host's may be a
 * link. */
static void set_authorities(struct transfer *t)
{
	static const char *const PATHS[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/ssl/ca-bundle.pem",
		"/var/lib/ca-certificates/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};
	const struct host *host = t->request->host;

	if (t->request->authorities) {
		t->authorities = strdup(t->request->authorities);
		t->authorities_len = strlen(t->request->authorities);
		t->rc = t->authorities ? t->rc : CURLE_OUT_OF_MEMORY;
	}
	for (size_t i = 0; i < ARRAY_SIZE(PATHS) && !t->authorities; i++) {
		if (host)
			(void)host_read(host, PATHS[i], CA_CAP, &t->authorities,
					&t->authorities_len);
		else
			(void)file_read_at(AT_FDCWD, PATHS[i], CA_CAP, &t->authorities,
					   &t->authorities_len);
	}
	if (t->authorities) {
		struct curl_blob blob = { t->authorities, t->authorities_len, CURL_BLOB_NOCOPY };

		/* A libcurl without TLS knows no such option, and says so when TLS is wanted. */
		(void)curl_easy_setopt(t->curl, CURLOPT_CAINFO_BLOB, &blob);
	}
}

static void set_identity(struct transfer *t)
{
	const struct http_request *request = t->request;
	struct curl_blob certificate = { .flags = CURL_BLOB_COPY }, key = { .flags = CURL_BLOB_COPY };

	if (!request->certificate || !request->key)
		return;
	certificate.data = (void *)(uintptr_t)request->certificate;
	certificate.len = strlen(request->certificate);
	key.data = (void *)(uintptr_t)request->key;
	key.len = strlen(request->key);
	SET(t, CURLOPT_SSLCERT_BLOB, &certificate);
	SET(t, CURLOPT_SSLKEY_BLOB, &key);
}

static void set_target(struct transfer *t)
{
	SET(t, CURLOPT_URL, t->url);
	if (t->request->socket_path) {
		SET(t, CURLOPT_UNIX_SOCKET_PATH, t->request->socket_path);
		SET(t, CURLOPT_PROXY, "");
	} else {
		SET(t, CURLOPT_FOLLOWLOCATION, 1L);
		SET(t, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
		SET(t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
		set_authorities(t);
		set_identity(t);
	}
	if (t->request->fresh) {
		SET(t, CURLOPT_FRESH_CONNECT, 1L);
		SET(t, CURLOPT_FORBID_REUSE, 1L);
	}
	if (t->request->direct)
		SET(t, CURLOPT_PROXY, "");
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(t, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
	SET(t, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
	SET(t, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static long as_long(uint64_t value, long otherwise)
{
	if (value == 0)
		return otherwise;
	return value > INT_MAX ? INT_MAX : (long)value;
}

static void set_limits(struct transfer *t)
{
	const struct http_request *request = t->request;

	SET(t, CURLOPT_NOSIGNAL, 1L);
	SET(t, CURLOPT_HTTP_VERSION,
	    request->http2 ? (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : (long)CURL_HTTP_VERSION_1_1);
	SET(t, CURLOPT_TIMEOUT_MS, as_long(request->timeout_ms, HTTP_TIMEOUT_DEFAULT));
	SET(t, CURLOPT_CONNECTTIMEOUT_MS,
	    as_long(request->connect_timeout_ms, HTTP_CONNECT_DEFAULT));
	if (request->slow_s) {
		SET(t, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOW_BYTES);
		SET(t, CURLOPT_LOW_SPEED_TIME, as_long(request->slow_s, 0));
	}
	SET(t, CURLOPT_USERAGENT, "berth/" BERTH_VERSION);
	SET(t, CURLOPT_ERRORBUFFER, t->detail);
	SET(t, CURLOPT_HEADERFUNCTION, on_header);
	SET(t, CURLOPT_HEADERDATA, t);
	SET(t, CURLOPT_WRITEFUNCTION, on_body);
	SET(t, CURLOPT_WRITEDATA, t);
}

static int code_of(const struct transfer *t, CURLcode rc)
{
	static const struct {
		CURLcode curl;
		int code;
	} CODES[] = {
		{ CURLE_OPERATION_TIMEDOUT, ETIMEDOUT },
		{ CURLE_COULDNT_CONNECT, ECONNREFUSED },
		{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH },
		{ CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH },
		{ CURLE_PARTIAL_FILE, ECONNRESET },
		{ CURLE_GOT_NOTHING, ECONNRESET },
		{ CURLE_SEND_ERROR, ECONNRESET },
		{ CURLE_RECV_ERROR, ECONNRESET },
		{ CURLE_SSL_CONNECT_ERROR, ECONNRESET },
		{ CURLE_PEER_FAILED_VERIFICATION, EKEYREJECTED },
		{ CURLE_SSL_CACERT_BADFILE, EKEYREJECTED },
		{ CURLE_URL_MALFORMAT, EINVAL },
		{ CURLE_UNSUPPORTED_PROTOCOL, EPROTO },
		{ CURLE_TOO_MANY_REDIRECTS, ELOOP },
		{ CURLE_OUT_OF_MEMORY, ENOMEM },
	};
	long os_errno = 0, proxy_status = 0;

	(void)curl_easy_getinfo(t->curl, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
	if (proxy_status >= 400 && !http_status_passing(proxy_status))
		return EPROTO;
	(void)curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &os_errno);
	if (rc == CURLE_COULDNT_CONNECT && os_errno > 0)
		return (int)os_errno;
	for (size_t i = 0; i < ARRAY_SIZE(CODES); i++) {
		if (CODES[i].curl == rc)
			return CODES[i].code;
	}
	return EPROTO;
}

static int explain(const struct transfer *t, CURLcode rc, struct error *err)
{
	const struct http_request *request = t->request;
	const char *method = request->method ? request->method : "GET";
	const char *at = request->socket_path ? " at " : "";
	const char *socket = request->socket_path ? request->socket_path : "";
	const char *why = t->detail[0] ? t->detail : curl_easy_strerror(rc);
	int code;

	if (t->failed == -EFBIG)
		return error_set(err, EFBIG, "%s %s%s%s: the answer is larger than it may be",
				 method, t->plain, at, socket);
	if (t->failed < 0)
		return error_errno(err, t->failed, "%s %s%s%s", method, t->plain, at, socket);
	code = code_of(t, rc);
	if (code == EKEYREJECTED && !t->authorities)
		return error_set(err, code,
				 "%s %s: %s (this host has no bundle of certificate authorities: "
				 "install ca-certificates)",
				 method, t->plain, why);
	if (request->socket_path && rc == CURLE_COULDNT_CONNECT)
		return error_errno(err, code, "%s %s%s%s", method, t->plain, at, socket);
	return error_set(err, code, "%s %s%s%s: %s", method, t->plain, at, socket, why);
}

int transfer_prepare(struct transfer *t, struct error *err)
{
	const struct http_request *request = t->request;

	t->url = request->socket_path ? xasprintf("http://localhost%s", request->url)
				      : strdup(request->url);
	t->plain = http_url_plain(request->url);
	t->curl = curl_easy_init();
	if (!t->url || !t->plain || !t->curl)
		return error_errno(err, ENOMEM, "prepare an HTTP request");
	set_limits(t);
	set_target(t);
	set_method(t);
	return t->rc == CURLE_OK ? 0 : explain(t, t->rc, err);
}

int transfer_finish(struct transfer *t, CURLcode rc, struct error *err)
{
	curl_off_t retry_after = 0;

	(void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->response->status);
	if (rc != CURLE_OK)
		return explain(t, rc, err);
	if (curl_easy_getinfo(t->curl, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK &&
	    retry_after > 0)
		t->response->retry_after_s = (uint64_t)retry_after;
	return 0;
}
