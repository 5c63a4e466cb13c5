#include "quota/budget.h"
#include "sandbox/bundle.h"
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
	_cleanup_(pod_containers_release) struct pod_containers rest = POD_CONTAINERS_INIT;
	bool of_pod = pod_find(pool_fd, id, &gone, NULL) > 0;

	pod_forget(pool_fd, id);
	if (of_pod)
		release_stash(pool_fd, id);
	if (!of_pod || strcmp(gone.sandbox, id) == 0)
		return strdup(id);
	if (pod_containers_read(pool_fd, &rest, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < rest.len; i++) {
		if (strcmp(rest.items[i].sandbox, gone.sandbox) == 0)
			return NULL;
	}
	return strdup(gone.sandbox);
}

int verb_delete(const struct settings *settings, const char *id, struct error *err)
{
	_cleanup_fd_ int pool = -EBADF, lock = -EBADF;
	_cleanup_free_ char *owner = NULL;
	struct record record;
	struct budget budget;
	int r;

	bundle_forget(BUNDLE_NOTES, id);
	r = pool_open(settings->pool, &pool, err);
	if (r == 0)
		r = record_lock(pool, &lock, err);
	if (r == 0)
		owner = ends_with(pool, id);
	else if (pool >= 0)
		pod_forget(pool, id);
	r = r < 0 || !owner ? r : record_read(pool, owner, &record, err);
	if (r <= 0 || !owner)
		return r;
	budget = budget_make(record.budget, settings->bytes_per_inode);
	r = budget_apply(pool, record.project, budget_with_reserve(budget), err);
	record.running = false;
	return r < 0 ? r : record_write(pool, owner, &record, err);
}
