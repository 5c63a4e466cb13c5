/* engine/http_multi.h in the agent's event loop. */
#ifndef AGENT_HTTP_LOOP_H
#define AGENT_HTTP_LOOP_H

#include "engine/http_multi.h"

struct event_base;
struct http_loop;

int http_loop_new(struct event_base *base, struct http_loop **ret, struct error *err);
void http_loop_free(struct http_loop *loop);
struct http_multi *http_loop_multi(struct http_loop *loop);

#endif
