#include "agent/kube_metrics.h"

#include <inttypes.h>
#include <string.h>

#include "agent/metrics.h"

void kube_count(struct kube_counts *counts, const char *verb, long code)
{
	size_t i = 0;

	while (i < counts->len && (counts->items[i].code != code || strcmp(counts->items[i].verb, verb) != 0))
		i++;
	if (i == KUBE_COUNTS_MAX)
		return;
	if (i == counts->len)
		counts->items[counts->len++] = (struct kube_count){ .verb = verb, .code = code };
	counts->items[i].count++;
}

void kube_counts_write(const struct kube_counts *counts, bool reachable, struct strbuf *out)
{
	gauge(out, "berth_kube_reachable", "1 while the API server answers.", reachable);
	family(out, "berth_kube_requests", "counter", "Requests to the API server; code 0: no answer.");
	for (size_t i = 0; i < counts->len; i++)
		strbuf_printf(out, "berth_kube_requests_total{verb=\"%s\",code=\"%ld\"} %" PRIu64 "\n",
			      counts->items[i].verb, counts->items[i].code, counts->items[i].count);
}
