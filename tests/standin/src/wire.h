/*
 * How the three programs talk: one JSON object a connection each way over a Unix stream socket.
 * (The real ones speak gRPC over sockets at the same paths.) An answer with a member "error" is a
 * refusal.
 */
#ifndef STANDIN_WIRE_H
#define STANDIN_WIRE_H

#include "common.h"

#include <jansson.h>

/* Ask `program` listening at `path`; ret_answer (a new reference) may be NULL when nobody reads it.
 */
int wire_ask(const char *program, const char *path, json_t *request, json_t **ret_answer,
	     struct failure *f);

/* A non-blocking listening socket at `path`, in place of whatever is there; its number or -1. */
int wire_listen(const char *path, struct failure *f);

/* One whole message, or NULL: somebody who only looked whether the socket takes connections. */
json_t *wire_receive(int fd);
int wire_send(int fd, const json_t *message);

#endif
