#include "sandbox/drift.h"

#include "sandbox/bundle.h"
#include "sandbox/place_project.h"

void drift_release(struct drift *drift)
{
	mount_table_release(&drift->mounts);
}

/* One that was started since it was read is not in it. */
static int read_mounts(struct drift *drift, const char *rootfs, struct error *err)
{
	if (mount_table_at(&drift->mounts, rootfs))
		return 0;
	mount_table_release(&drift->mounts);
	drift->mounts = MOUNT_TABLE_INIT;
	return mount_table_read_self(&drift->mounts, err);
}

static int find_places(struct drift *drift, const char *id, struct places *ret, struct error *err)
{
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	_cleanup_free_ char *path = bundle_noted(drift->notes, id);
	int r;

	if (!path || bundle_read(path, &bundle, NULL) < 0)
		return places_find_inner(drift->pool, id, ret, err);
	if (!*drift->settings->kubelet)
		free(TAKE_PTR(bundle.pod));
	r = read_mounts(drift, bundle.rootfs, err);
	return r < 0 ? r : places_find(&drift->mounts, drift->pool, drift->settings, id, &bundle, ret, err);
}

static int check(struct drift *drift, const char *id, const struct place *place, uint32_t project, void *userdata,
		 struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	int r = place_drifted(drift->settings, drift->pool, drift->claims, place, project, &fd, err);

	if (r == -ENOENT) /* it ends just now */
		error_clear(err);
	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	r = drift->dry_run ? 0 : place_tag(drift->pool, id, place, fd, project, err);
	if (r == 0)
		drift->found(userdata, place->path);
	return r;
}

int drift_of(struct drift *drift, const char *id, uint32_t project, void *userdata, struct error *err)
{
	_cleanup_(places_release) struct places places = PLACES_INIT;
	int result = find_places(drift, id, &places, err);

	for (size_t i = 0; i < places.len; i++) {
		struct error why = ERROR_INIT;

		if (check(drift, id, &places.items[i], project, userdata, &why) < 0 && result == 0)
			result = error_set(err, why.code, "%s", why.message);
	}
	return result;
}
