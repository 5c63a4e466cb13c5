#include "agent/fault.h"

#include <stdio.h>
#include <string.h>

#include "base/backoff.h"

/* People read this table as docs/agent.md: a test compares the two. */
const struct fault_rule fault_rules[FAULT_COUNT] = {
	[FAULT_DOCKER_DEAD] = {
		"docker-dead", "dockerd does not run, or is not up yet", REPAIR_START, true,
		"journalctl -u docker.service" },
	[FAULT_DOCKER_HUNG] = {
		"docker-hung", "dockerd runs and does not answer", REPAIR_KILL, true,
		"journalctl -u docker.service; kill -USR1 writes its goroutines there" },
	[FAULT_CONTAINERD_DEAD] = {
		"containerd-dead", "Docker's containerd does not run", REPAIR_CONVERGE, true,
		"journalctl -u containerd.service" },
	[FAULT_SYSBOX_DEAD] = {
		"sysbox-dead", "sysbox-mgr or sysbox-fs does not run", REPAIR_START, true,
		"journalctl -u sysbox-mgr.service -u sysbox-fs.service" },
	[FAULT_SYSBOX_HUNG] = {
		"sysbox-hung", "sysbox-mgr or sysbox-fs is stopped", REPAIR_RESUME, true,
		"kill -CONT PID; journalctl -u sysbox-mgr.service -u sysbox-fs.service" },
	[FAULT_DRIFT] = {
		"drift", "something of this host is not as the settings say", REPAIR_CONVERGE, true,
		"berth plan" },
	[FAULT_POOL_UNMOUNTED] = {
		"pool-unmounted", "the pool is not mounted where it must be", REPAIR_CONVERGE, true,
		"systemctl status var-lib-berth-pool.mount var-lib-docker.mount var-lib-sysbox.mount" },
	[FAULT_POOL_BROKEN] = {
		"pool-broken", "the pool cannot be written or read", REPAIR_NONE, true,
		"dmesg; stop the sandboxes, then xfs_repair" },
	[FAULT_QUOTA_OFF] = {
		"quota-off", "the pool enforces no quotas", REPAIR_CONVERGE, true,
		"berth verify; accounting comes with the mount: stop Docker and Sysbox, and mount the pool anew" },
	[FAULT_BACKING_FULL] = {
		"backing-full", "the disk below the pool is nearly full", REPAIR_NONE, false,
		"free space there, or berth pool trim" },
	[FAULT_UNIT_MASKED] = {
		"unit-masked", "a unit was masked by somebody: respected, not fought", REPAIR_NONE, true,
		"systemctl unmask UNIT" },
	[FAULT_SANDBOXES_NEED_RESTART] = {
		"sandboxes-need-restart", "Sysbox was restarted under running sandboxes: no exec into them",
		REPAIR_EVICT, false, "restart these sandboxes: berth quota ls names them" },
	[FAULT_API_UNREACHABLE] = {
		"api-unreachable", "the Kubernetes API server does not answer", REPAIR_NONE, false,
		"the node's network, the service account's token" },
};

const unsigned fault_bounds[FAULT_BUCKETS - 1] = { 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 120000 };

/* What is done about it by these settings. */
static enum fault_repair repair_of(const struct faults *faults, enum fault_id id)
{
	enum fault_repair repair = fault_rules[id].repair;

	return repair == REPAIR_EVICT && !faults->evicts ? REPAIR_NONE : repair;
}

enum fault_news fault_is(struct faults *faults, enum fault_id id, const char *detail,
			 uint64_t since, uint64_t now)
{
	struct fault *f = &faults->items[id];
	bool other = strncmp(f->detail, detail, sizeof(f->detail) - 1) != 0;

	(void)snprintf(f->detail, sizeof(f->detail), "%s", detail);
	if (f->active)
		return other ? FAULT_OTHERWISE : FAULT_NO_NEWS;
	f->active = true;
	f->since = since;
	f->seen++;
	/* One that comes back soon was not really repaired: its tries go on. */
	if (!f->gone || now - f->gone > FAULT_CALM) {
		f->tries = 0;
		f->gave_up = false;
	}
	if (f->tries == 0)
		f->due = now;
	if (f->gave_up || f->tries < faults->give_up || repair_of(faults, id) == REPAIR_NONE)
		return FAULT_SEEN;
	f->gave_up = true;
	return FAULT_GAVE_UP;
}

static void count_time(struct fault *f, uint64_t ms)
{
	size_t i = 0;

	while (i < FAULT_BUCKETS - 1 && ms > fault_bounds[i])
		i++;
	f->buckets[i]++;
	f->repair_ms += ms;
	f->repaired++;
}

enum fault_news fault_is_not(struct faults *faults, enum fault_id id, uint64_t now)
{
	struct fault *f = &faults->items[id];

	if (!f->active)
		return FAULT_NO_NEWS;
	f->active = false;
	f->gave_up = false;
	f->gone = now;
	count_time(f, now - f->since);
	return FAULT_GONE;
}

enum fault_id fault_due(const struct faults *faults, uint64_t now, uint64_t *ret_wait)
{
	enum fault_id found = FAULT_COUNT;

	*ret_wait = UINT64_MAX;
	for (int i = 0; i < FAULT_COUNT; i++) {
		const struct fault *f = &faults->items[i];

		if (!f->active || f->gave_up || repair_of(faults, (enum fault_id)i) == REPAIR_NONE)
			continue;
		if (f->due <= now && found == FAULT_COUNT)
			found = (enum fault_id)i;
		*ret_wait = MIN_OF(*ret_wait, f->due <= now ? 0 : f->due - now);
	}
	return found;
}

void fault_try(struct faults *faults, enum fault_id id, uint64_t now)
{
	struct fault *f = &faults->items[id];

	f->due = now + backoff(FAULT_PAUSE_FIRST, f->tries++, FAULT_PAUSE_MAX);
}

enum fault_news fault_failed(struct faults *faults, enum fault_id id, bool left, const char *why)
{
	struct fault *f = &faults->items[id];

	if (left)
		f->left++;
	else
		f->failed++;
	if (why[0])
		(void)snprintf(f->detail, sizeof(f->detail), "%s", why);
	if (f->gave_up || (!left && f->tries < faults->give_up))
		return FAULT_NO_NEWS;
	f->gave_up = true;
	return FAULT_GAVE_UP;
}

void faults_forgive(struct faults *faults, uint64_t now)
{
	for (int i = 0; i < FAULT_COUNT; i++) {
		faults->items[i].tries = 0;
		faults->items[i].gave_up = false;
		faults->items[i].due = now;
	}
}

void faults_drop(struct faults *faults)
{
	for (int i = 0; i < FAULT_COUNT; i++) {
		/* The API server is none of the host's. */
		if (i == FAULT_API_UNREACHABLE)
			continue;
		faults->items[i].active = false;
		faults->items[i].gave_up = false;
		faults->items[i].tries = 0;
	}
}

bool faults_spoil(const struct faults *faults)
{
	for (int i = 0; i < FAULT_COUNT; i++) {
		if (faults->items[i].active && fault_rules[i].spoils)
			return true;
	}
	return false;
}
