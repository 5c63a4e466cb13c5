/*
 * What the agent tells over HTTP: /metrics (OpenMetrics), /healthz (the loop turns), /readyz (the node is a
 * proven sandbox host, else 503 with a reason a line). Requests have no body, headers are bounded, and a
 * client that neither sends nor takes for ten seconds is dropped.
 */
#ifndef AGENT_SERVER_H
#define AGENT_SERVER_H

#include "base/error.h"

struct agent;
struct server;

/* `listen`: "127.0.0.1:9477", "[::]:9477", ":9477". -EADDRINUSE and so on. */
int server_open(struct agent *agent, const char *listen, struct error *err);
void server_close(struct agent *agent);

#endif
