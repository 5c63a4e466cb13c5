/*
 * A look at the node: what is wrong with it now, from what the kernel shows of it. Some ten small files
 * are read, no program is run but for what struct daemon_places says, and nothing is changed; so it can be done
 * at each event.
 */
#ifndef AGENT_LOOK_H
#define AGENT_LOOK_H

#include <sys/types.h>

#include "agent/fault.h"
#include "change/pool_policy.h"
#include "host/host.h"
#include "spec/spec.h"

enum daemon_id {
	DAEMON_DOCKER,
	DAEMON_CONTAINERD,
	DAEMON_SYSBOX_MGR,
	DAEMON_SYSBOX_FS,
	DAEMON_COUNT
};

struct daemon_rule {
	const char *unit, *program;
	enum fault_id dead;
};

extern const struct daemon_rule daemon_rules[DAEMON_COUNT];

/*
 * Where systemd has put the daemons. A unit of no slice of its own is where it always is; of another systemd is asked,
 * which is a program to run: at the first look that does not find one, or the second in a row, and not again for some
 * time. So a daemon that has just died is told of at once.
 */
struct daemon_places {
	char *groups[DAEMON_COUNT]; /* control groups; NULL: never asked, or nothing of it ran then */
	pid_t pids[DAEMON_COUNT];   /* main processes as they were then */
	bool missed[DAEMON_COUNT];  /* at the last look */
	bool looked;
	uint64_t asked;		    /* monotonic_ms(); 0: never */
};

void daemon_places_release(struct daemon_places *places);

struct sight {
	bool is[FAULT_COUNT];
	char detail[FAULT_COUNT][FAULT_DETAIL_MAX];
	pid_t pids[DAEMON_COUNT]; /* 0: it does not run */
	bool has_pool;		  /* the figures below are known */
	uint64_t pool_size, pool_used, pool_inodes_used;
	uint64_t disk_free; /* below an image; 0 for a device */
	bool hold;	    /* new sandboxes are held back: berth-runc goes by the same figures */
};

/*
 * Faults that are seen by other means (docker-hung by its silence, drift by a plan, sandboxes and the API)
 * are left as false.
 */
void look(const struct host *host, const struct spec *spec, struct daemon_places *places, struct sight *ret);

/* Running sandboxes whose Sysbox is another one than they were started by: how many, and some names. */
unsigned look_stranded(const struct host *host, char ret_names[static FAULT_DETAIL_MAX]);

#endif
