/*
 * The agent and the Kubernetes node it keeps: labels, the condition SandboxHostReady, the start-up taint, and
 * Events. Asked and written when something changed, and the node is read every half hour: so a thousand agents cost
 * less than a request a second, however often they look at their host. Nothing of it is needed for a repair: with
 * the API server away the node is kept as ever, except that nothing is disrupted.
 */
#ifndef AGENT_KUBE_H
#define AGENT_KUBE_H

#include "agent/inside.h"
#include "base/strbuf.h"

struct kube_client;

/* Credentials and a loop of its own for one more line of requests. kube_client_release() it, also on failure. */
int kube_open_client(struct agent *agent, struct kube_client *ret, struct error *err);

/* Without --node: nothing is opened, and all below do nothing. */
int kube_open(struct agent *agent, struct error *err);
void kube_close(struct agent *agent);

/* The node's state may have changed: if it has, it is told, soon; if not, nothing is asked. */
void kube_tell(struct agent *agent);

/* Settings were read again: the node is read soon, and told what it does not say. */
void kube_look_again(struct agent *agent);

/* An Event on the node: the same reason again raises a count. */
void kube_event(struct agent *agent, const char *reason, const char *note, bool warning);

/* berth_kube_*. */
void kube_metrics(const struct agent *agent, struct strbuf *out);

#endif
