/*
 * Faults of a node, and what the agent makes of each: the table, and how far each one is. Nothing here
 * touches anything; times are monotonic_ms().
 *
 * A fault is seen, repaired as the table says, looked for again. Repairs that fail, or do not last, are
 * spaced out: 1 s, 2 s, 4 s... up to FAULT_PAUSE_MAX. After `give_up` of them in a row the fault is left to
 * people, with one alert, until FAULT_CALM has passed or somebody says so (SIGHUP).
 */
#ifndef AGENT_FAULT_H
#define AGENT_FAULT_H

#include "base/macros.h"

#define FAULT_PAUSE_FIRST 1000
#define FAULT_PAUSE_MAX	  (5 * 60 * 1000)
#define FAULT_CALM	  (10 * 60 * 1000) /* without it for so long: the next time is a first time */
#define FAULT_DETAIL_MAX  256
#define FAULT_BUCKETS	  10

enum fault_id {
	FAULT_DOCKER_DEAD,
	FAULT_DOCKER_HUNG,
	FAULT_CONTAINERD_DEAD,
	FAULT_SYSBOX_DEAD,
	FAULT_SYSBOX_HUNG,
	FAULT_DRIFT,
	FAULT_POOL_UNMOUNTED,
	FAULT_POOL_BROKEN,
	FAULT_QUOTA_OFF,
	FAULT_BACKING_FULL,
	FAULT_UNIT_MASKED,
	FAULT_SANDBOXES_NEED_RESTART,
	FAULT_API_UNREACHABLE,
	FAULT_COUNT
};

enum fault_repair {
	REPAIR_NONE,	 /* told: it is for people, or mends itself */
	REPAIR_START,	 /* its unit is started again, at once */
	REPAIR_CONVERGE, /* what an installation would do, as far as node/judge.h allows */
	REPAIR_RESUME,	 /* a stopped daemon goes on: SIGCONT */
	REPAIR_KILL,	 /* SIGKILL; then it is dead, which is another fault */
	REPAIR_EVICT,	 /* their pods are evicted, where the settings say so: else as REPAIR_NONE */
};

struct fault_rule {
	const char *name; /* label of metrics, word of logs */
	const char *what; /* what is wrong, for people */
	enum fault_repair repair;
	bool spoils;	    /* the node is no sandbox host meanwhile: not ready */
	const char *remedy; /* what people do about it */
};

extern const struct fault_rule fault_rules[FAULT_COUNT];

/* Upper bounds of the histogram of repair times, in milliseconds; the last bucket has none. */
extern const unsigned fault_bounds[FAULT_BUCKETS - 1];

struct fault {
	bool active;
	bool gave_up;
	char detail[FAULT_DETAIL_MAX];
	uint64_t since;	   /* when it was seen */
	uint64_t gone;	   /* when it was last repaired, 0: never */
	unsigned tries;	   /* in a row */
	uint64_t due;	   /* of the next try */
	uint64_t seen, repaired, failed, left; /* counters */
	uint64_t buckets[FAULT_BUCKETS];       /* of repair times, not cumulated */
	uint64_t repair_ms;		       /* their sum */
};

struct faults {
	struct fault items[FAULT_COUNT];
	unsigned give_up; /* tries */
	bool evicts;	  /* kubernetes.stranded_pods: evict */
};

/* What changed, for the log. */
enum fault_news {
	FAULT_NO_NEWS,
	FAULT_SEEN,
	FAULT_OTHERWISE, /* another detail */
	FAULT_GONE,
	FAULT_GAVE_UP,
};

/* It is there. `since`: when it was noticed, at the latest `now`. */
enum fault_news fault_is(struct faults *faults, enum fault_id id, const char *detail,
			 uint64_t since, uint64_t now);

/* It is not there. */
enum fault_news fault_is_not(struct faults *faults, enum fault_id id, uint64_t now);

/* The next fault whose repair is due; FAULT_COUNT: none is. `ret_wait`: ms until one is, UINT64_MAX: never. */
enum fault_id fault_due(const struct faults *faults, uint64_t now, uint64_t *ret_wait);

/* A repair begins. */
void fault_try(struct faults *faults, enum fault_id id, uint64_t now);

/* It ended and the fault is still there; `left`: it must not be repaired by an agent. */
enum fault_news fault_failed(struct faults *faults, enum fault_id id, bool left, const char *why);

/* Somebody looked after it: all are tried again from the beginning. */
void faults_forgive(struct faults *faults, uint64_t now);

/* Nobody minds the host any more: none of its faults is one, which is not to say that it was repaired. */
void faults_drop(struct faults *faults);

/* Is the node spoilt by any? */
bool faults_spoil(const struct faults *faults);

#endif
