/* Requests to the API server, counted by verb and code. */
#ifndef AGENT_KUBE_METRICS_H
#define AGENT_KUBE_METRICS_H

#include "base/strbuf.h"

#define KUBE_COUNTS_MAX 64

struct kube_counts {
	struct kube_count {
		const char *verb;
		long code; /* HTTP status; 0: no answer */
		uint64_t count;
	} items[KUBE_COUNTS_MAX];
	size_t len;
};

/* `verb` is kept as it is: static. */
void kube_count(struct kube_counts *counts, const char *verb, long code);
void kube_counts_write(const struct kube_counts *counts, bool reachable, struct strbuf *out);

#endif
