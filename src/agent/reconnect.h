/* Settings that were read again: where the agent answers, and whom it tells. */
#ifndef AGENT_RECONNECT_H
#define AGENT_RECONNECT_H

#include "agent/inside.h"

/*
 * From `before` to agent->spec. The new ones are there before the old ones go, but for a server that keeps its port: two
 * of them do not go together where one is at all addresses. On failure all is as it was.
 */
int reconnect(struct agent *agent, const struct spec *before, struct error *err);

#endif
