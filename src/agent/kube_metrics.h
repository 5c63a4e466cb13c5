/* Requests to the API server, counted by verb and code. */
#ifndef AGENT_KUBE_METRICS_H
#define AGENT_KUBE_METRICS_H

#include "base/strbuf.h"

#define KUBE_COUNTS_MAX 64

struct kube_counts {
	const char *verb; /* of the request under way; static */
	struct kube_count {
		const char *verb;
		long code; /* HTTP status; 0: no answer */
		uint64_t count;
	} items[KUBE_COUNTS_MAX];
	size_t len;
};

void kube_count_begin(struct kube_counts *counts, const char *verb);
void kube_count_end(struct kube_counts *counts, long code);
void kube_counts_write(const struct kube_counts *counts, bool reachable, struct strbuf *out);

#endif
