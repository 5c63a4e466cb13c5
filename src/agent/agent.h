/*
 * The agent: a node that was made a sandbox host stays one.
 *
 * One process, one event loop, no thread. It waits for what the kernel and Docker tell by themselves, looks
 * at the node when something did (look.h), and lets a child of its own program put right what is wrong
 * (worker.h), as far as the table of faults (fault.h) and node/judge.h allow. What it knows is told by
 * its log and over HTTP (server.h).
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "base/error.h"

struct agent_options {
	const char *config;	/* settings, as this process can open them at any time; NULL: the host's */
	const char *listen;	/* over agent.listen, or NULL */
	const char *log_format; /* over agent.log_format, or NULL */
	const char *node_name;	/* of the Kubernetes node, or NULL: none */
	const char *kube_folder; /* of its service account, over kubernetes.credentials, or NULL */
};

/* Until SIGTERM or SIGINT. Being root on the host, in its namespaces, is the caller's doing. */
int agent_run(const struct agent_options *options, struct error *err);

#endif
