/* Requests to the API server from the agent's loop: credentials, counts, and errors in a sentence. */
#ifndef AGENT_KUBE_ASK_H
#define AGENT_KUBE_ASK_H

#include "agent/http_loop.h"
#include "agent/kube_metrics.h"
#include "base/json.h"
#include "kube/access.h"

#define KUBE_APPLY "application/apply-patch+yaml"
#define KUBE_PATCH "application/json-patch+json"
#define KUBE_MERGE "application/merge-patch+json"
#define KUBE_JSON  "application/json"

struct kube_answer {
	long status;	  /* of HTTP; 0: there was none */
	json_t *body;	  /* borrowed; NULL: none, or not JSON */
	const char *why;  /* of a status from 400 on, and where there was no answer: a sentence */
	uint64_t retry_ms; /* 0: the server did not say */
};

typedef void (*kube_done_fn)(void *userdata, const struct kube_answer *answer);

/* One request at a time. */
struct kube_client {
	struct http_loop *loop;
	struct kube_access access;
	struct kube_counts *counts; /* of all clients together */
	const char *verb; /* of the request under way; static */
	kube_done_fn done;
	void *userdata;
};

void kube_client_release(struct kube_client *client);

/* `path` and `body` (NULL: none) are taken. Negative: nothing was sent, and `done` is not called. */
int kube_ask(struct kube_client *client, const char *method, char *path, const char *type, json_t *body,
	     kube_done_fn done, void *userdata, struct error *err);

#endif
