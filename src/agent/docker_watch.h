/*
 * What Docker tells the agent: its event stream (of containers' starts and ends alone, and only that there
 * was one), and whether it answers at all, which nothing but a question can tell: one every 20 s.
 */
#ifndef AGENT_DOCKER_WATCH_H
#define AGENT_DOCKER_WATCH_H

#include "agent/inside.h"

int docker_watch_open(struct agent *agent, struct error *err);
void docker_watch_close(struct agent *agent);

/* dockerd is there (again): listen to it. Does nothing where that is done already. */
void docker_watch_listen(struct agent *agent);

/* Has it answered since it was last seen to go? */
bool docker_watch_answers(const struct agent *agent);

/* For how long it has not answered, in ms; 0: it does, or does not run. */
uint64_t docker_watch_silence(const struct agent *agent);

/* Did a container start or end since the last call? */
bool docker_watch_take(struct agent *agent);

#endif
