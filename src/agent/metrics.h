/* What /metrics says, as OpenMetrics text: names and units are in docs/agent.md. */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include "base/strbuf.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct agent;
struct usages;

/* A family's head. Counters are named without their "_total", infos without "_info", as OpenMetrics has it. */
void family(struct strbuf *out, const char *name, const char *type, const char *help);

/* A whole family of one figure. */
void gauge(struct strbuf *out, const char *name, const char *help, uint64_t value);

void metrics_write(const struct agent *agent, const struct usages *usages, struct strbuf *out);

#endif
