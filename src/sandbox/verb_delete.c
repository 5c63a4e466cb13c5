#include "base/fault.h"
#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/creating.h"
#include "sandbox/orphans.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/stash.h"
#include "sandbox/verbs.h"

/*
 * A deleted container may be one that is only stopped: its files, and so its project, stay until its
 * engine has removed it, which no runtime is told of. `berth quota reconcile` sees that.
 */

/* A kubelet never starts a pod's container again, it makes a new one: which would pay for what the old one left. */
static void release_stash(int pool_fd, const char *id)
{
	if (stash_holds(pool_fd, id, NULL) > 0)
		(void)orphan_note(pool_fd, id, ORPHAN_DUE, NULL);
}

/*
 * Whose record ends with this container: its own, or its pod's with the last of its containers. CRI-O calls no runtime for
 * most pods' own container, so nothing else tells of their end. free() it; NULL: others of the pod are there.
 */
static char *ends_with(int pool_fd, const char *id)
{
	_cleanup_(pod_container_release) struct pod_container gone = POD_CONTAINER_INIT;
	_cleanup_(pod_containers_release) struct pod_containers all = POD_CONTAINERS_INIT;

	if (pod_find(pool_fd, id, &gone, NULL) <= 0)
		return strdup(id);
	release_stash(pool_fd, id);
	if (strcmp(gone.sandbox, id) == 0)
		return strdup(id);
	if (pod_containers_read(pool_fd, &all, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < all.len; i++) {
		if (strcmp(all.items[i].sandbox, gone.sandbox) == 0 && strcmp(all.items[i].id, id) != 0)
			return NULL;
	}
	return strdup(gone.sandbox);
}

static int end(const struct settings *settings, int pool_fd, const char *owner, struct error *err)
{
	struct record record;
	struct budget budget;
	int r = record_read(pool_fd, owner, &record, err);

	if (r <= 0)
		return r;
	budget = budget_make(record.budget, settings->bytes_per_inode);
	r = budget_apply(pool_fd, record.project, budget_with_reserve(budget), err);
	fault_point("delete:limit");
	record.running = false;
	return r < 0 ? r : record_write(pool_fd, owner, &record, err);
}

int verb_delete(const struct settings *settings, const char *id, struct error *err)
{
	_cleanup_fd_ int pool = -EBADF, lock = -EBADF;
	_cleanup_free_ char *owner = NULL;
	int r;

	bundle_forget(BUNDLE_NOTES, id);
	creating_forget(BUNDLE_NOTES, id);
	r = pool_open(settings->pool, &pool, err);
	if (r == 0)
		r = record_lock(pool, &lock, err);
	if (r == 0)
		owner = ends_with(pool, id);
	if (owner)
		r = end(settings, pool, owner, err);
	/* Last: by it a delete that comes again knows whose record is still to end. */
	fault_point("delete:record");
	if (pool >= 0)
		pod_forget(pool, id);
	return r;
}
