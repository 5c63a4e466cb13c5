/* The loop of a daemon under systemd: says when it is ready, answers, and ends at once on a signal.
 */
#ifndef STANDIN_SERVICE_H
#define STANDIN_SERVICE_H

#include "wire.h"

struct service {
	const char *socket;
	void *context;
	/* The answer to a request: a new reference, never NULL. */
	json_t *(*answer)(void *context, json_t *request);
	/* Called every 50 ms while `busy` says so; both may be NULL. */
	bool (*busy)(void *context);
	void (*tick)(void *context);
};

/* To be called before any thread or child exists; the signals stay blocked. */
int service_block_signals(struct failure *f);

/* Send systemd a state such as "READY=1"; nothing happens where nobody listens. */
void service_notify(const char *state);

/* Answer until a signal of service_block_signals() comes. */
int service_run(const struct service *service, int signals, struct failure *f);

#endif
