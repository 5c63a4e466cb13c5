/* What the agent's files share. Each of them owns the members named after it. */
#ifndef AGENT_INSIDE_H
#define AGENT_INSIDE_H

#include <event2/event.h>

#include "agent/agent.h"
#include "agent/fault.h"
#include "agent/look.h"
#include "agent/replaced.h"
#include "agent/server.h"
#include "agent/worker.h"
#include "host/host.h"
#include "spec/spec.h"

enum agent_source { SOURCE_PROCESS, SOURCE_MOUNTS, SOURCE_FILES, SOURCE_DOCKER, SOURCE_QUOTA, SOURCE_COUNT };

struct watches;
struct docker_watch;
struct limit_hits;
struct kube;
struct slots;

enum converge_result { CONVERGE_UNCHANGED, CONVERGE_CHANGED, CONVERGE_FAILED, CONVERGE_BUSY, CONVERGE_RESULTS };

struct agent {
	const struct agent_options *options;
	struct event_base *base;
	struct host host;
	struct spec spec;

	struct faults faults;
	struct sight sight;
	struct daemon_places places;
	struct replaced replaced;
	struct worker worker;
	struct watches *watches;
	struct docker_watch *docker;
	struct limit_hits *hits;
	struct server *server;
	struct kube *kube; /* NULL: not in a cluster */
	struct slots *slots; /* NULL: none was ever needed */

	struct event *look_timer, *repair_timer, *recheck_timer, *signals[3];
	uint64_t look_due;	 /* of look_timer; 0: not armed */
	enum worker_task task;	 /* what the worker was last given */
	enum fault_id repairing; /* what the worker is at; FAULT_COUNT: a look at everything */
	bool made;		 /* this host was proven once: what is not as it should be is a fault */
	bool withdrawn;		 /* and then berth was uninstalled: somebody's decision */
	bool uninstalled;	 /* of that, though something of it was left */
	uint64_t drift_since;	 /* an owned file changed then; 0: none did since the last convergence */
	char drift_path[FAULT_DETAIL_MAX];
	char masked[FAULT_DETAIL_MAX]; /* a unit that the last convergence left as it is masked; "" */
	char until[160];	 /* what a change waits for that is made later, and the node is well until then; "": none does */
	uint64_t mgr;		 /* the sysbox-mgr that sandboxes were compared with */
	uint64_t events[SOURCE_COUNT];
	uint64_t converged[CONVERGE_RESULTS];
	int64_t last_success; /* seconds since 1970; 0: never */
	uint64_t last_duration; /* ms */
	int64_t started;      /* seconds since 1970 */
	unsigned attempts;    /* of an installation, that failed in a row */
	bool proven;	      /* the last convergence succeeded, and left nothing */
};

void agent_arm(struct event *timer, uint64_t ms);

/* That long on the average; another time on each node, that a thousand do not do it at once. */
uint64_t agent_jittered(uint64_t ms);

/* Anywhere from now to twice that long: after something that all nodes see at once. */
uint64_t agent_spread(uint64_t ms);

/* Something happened: look soon (ms), at the latest. */
void agent_look_in(struct agent *agent, uint64_t ms);

/* From a watch: count it, and look at once. */
void agent_event(struct agent *agent, enum agent_source source);

/* A file that a step owns has changed. */
void agent_drift(struct agent *agent, const char *path);

/* Is the node a proven sandbox host now? */
bool agent_is_ready(const struct agent *agent);

#endif
