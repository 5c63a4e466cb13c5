#include "sandbox/project.h"

#include "sandbox/name.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/stash.h"
#include "sys/quota.h"

int project_owner_exists(const struct settings *settings, int pool_fd, const char *id,
			 struct error *err)
{
	struct record record;
	_cleanup_(pod_container_release) struct pod_container container = POD_CONTAINER_INIT;
	int r;

	if (sandbox_is_kept(settings, id))
		return 1;
	r = *settings->kubelet ? pod_find(pool_fd, id, &container, err) : 0;
	/* Not Docker's: then of an engine that runs beside it, as long as it runs. */
	if (r >= 0)
		r = record_read(pool_fd, r > 0 ? container.sandbox : id, &record, err);
	return r <= 0 ? r : record_is_running(&record);
}

static int layer_project(int pool_fd, const char *layer_dir, uint32_t *ret, struct error *err)
{
	_cleanup_fd_ int dir = layer_dir ? pool_dir_open(pool_fd, layer_dir) : -ENOENT;
	bool inherit;

	*ret = 0;
	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return error_errno(err, dir, "open the pool's '%s'", layer_dir);
	return quota_get_project(dir, ret, &inherit, err);
}

/* Whoever had the project is gone; its record would have its budget applied to the next one's. */
static int forget(int pool_fd, int claims_fd, uint32_t project, const char *gone, struct error *err)
{
	struct record record;
	int r = record_read(pool_fd, gone, &record, err);

	if (r > 0 && record.project == project)
		r = record_remove(pool_fd, gone, err);
	return r < 0 ? r : claim_release(claims_fd, project, gone, err);
}

/*
 * Ids of engines are used again once their layers are gone. 1: that one is not to be had, what its last owner has in the
 * stash counts there.
 */
static int take(const struct settings *settings, int pool_fd, int claims_fd, uint32_t project,
		const char *id, struct error *err)
{
	char other[CLAIM_OWNER_MAX];
	int r = claim_take(claims_fd, project, id, other, err);

	if (r != -EEXIST)
		return r;
	r = project_owner_exists(settings, pool_fd, other, err);
	if (r < 0)
		return r;
	if (r > 0)
		return error_set(err, EEXIST, "its layer is in project %u, which is sandbox %.64s's: two "
				 "sandboxes would share one budget; 'berth quota reconcile' says more",
				 project, other);
	error_clear(err);
	r = stash_holds(pool_fd, other, err);
	if (r == 0)
		r = forget(pool_fd, claims_fd, project, other, err);
	return r != 0 ? r : claim_take(claims_fd, project, id, other, err);
}

static bool is_own(int claims_fd, uint32_t project, const char *id)
{
	char owner[CLAIM_OWNER_MAX];

	return claim_owner(claims_fd, project, owner, NULL) > 0 && strcmp(owner, id) == 0;
}

int project_choose(const struct settings *settings, int pool_fd, int claims_fd, const char *id,
		   const char *layer_dir, uint32_t *project, struct error *err)
{
	uint32_t before = *project, engines, chosen;
	int r = layer_project(pool_fd, layer_dir, &engines, err);

	if (r < 0)
		return r;
	/* All of it is in that one already, also where the engine's was not to be had and would be now. */
	chosen = before && (!engines || is_own(claims_fd, before, id)) ? before : engines;
	r = chosen ? take(settings, pool_fd, claims_fd, chosen, id, err) : 1;
	if (r > 0)
		r = claim_new(claims_fd, pool_fd, &settings->projects, id, &chosen, err);
	if (r == 0)
		*project = chosen;
	if (r == 0 && before && before != *project)
		r = claim_release(claims_fd, before, id, err);
	return r;
}
