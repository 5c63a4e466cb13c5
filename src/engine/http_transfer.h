/*
 * One request as libcurl has it: what the blocking http.c and the loop of http_multi.c are made of.
 * The request, and what it points to, must outlive the transfer.
 */
#ifndef ENGINE_HTTP_TRANSFER_H
#define ENGINE_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "engine/http.h"

struct transfer {
	const struct http_request *request;
	struct http_response *response;
	CURL *curl;
	struct curl_slist *headers;
	char *url;
	char *plain; /* of url, for messages */
	char *authorities;
	size_t authorities_len;
	CURLcode rc; /* first option that was refused */
	int failed;  /* -errno of a callback or a cap */
	char detail[CURL_ERROR_SIZE];
};

/* Everything but performing it. */
int transfer_prepare(struct transfer *t, struct error *err);

/* Status and Retry-After; then 0, or what a failed one means, in a sentence. */
int transfer_finish(struct transfer *t, CURLcode rc, struct error *err);

void transfer_release(struct transfer *t);

#endif
