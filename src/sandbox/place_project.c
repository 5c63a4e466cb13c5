#include "sandbox/place_project.h"

#include "quota/tag.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/project.h"
#include "sandbox/tag_by_side.h"
#include "sys/quota.h"

/* A volume that another sandbox brought (--volumes-from) stays in that one's budget. */
static int is_anothers(const struct settings *settings, int pool_fd, int claims_fd, int dir, uint32_t project,
		       struct error *err)
{
	char owner[CLAIM_OWNER_MAX];
	uint32_t now;
	bool inherit;
	int r = quota_get_project(dir, &now, &inherit, err);

	if (r < 0 || now == 0 || now == project || claims_fd < 0)
		return r;
	r = claim_owner(claims_fd, now, owner, err);
	return r <= 0 ? r : project_owner_exists(settings, pool_fd, owner, err);
}

/* A file by itself: what its directory holds besides is the engine's. */
static int file_holds(int fd, uint32_t project, struct error *err)
{
	uint32_t now;
	bool inherit;
	int r = quota_get_project(fd, &now, &inherit, err);

	return r < 0 ? r : now == project;
}

int place_drifted(const struct settings *settings, int pool_fd, int claims_fd, const struct place *place,
		  uint32_t project, int *ret_fd, struct error *err)
{
	bool file = place->kind == PLACE_FILE;
	_cleanup_fd_ int fd = file ? pool_file_open(pool_fd, place->path) : pool_dir_open(pool_fd, place->path);
	int r;

	if (fd == -ENOENT && file) /* not made yet; the runtime would fail */
		return 0;
	if (fd < 0)
		return error_errno(err, fd, "open the pool's '%s'", place->path);
	r = file ? file_holds(fd, project, err) : tag_holds(fd, project, err);
	if (r == 0 && place->kind == PLACE_VOLUME)
		r = is_anothers(settings, pool_fd, claims_fd, fd, project, err);
	if (r != 0)
		return r < 0 ? r : 0;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

static int tag_file(int fd, uint32_t project, struct error *err)
{
	int r = quota_set_project(fd, project, false, err);

	if (r == 0)
		r = file_holds(fd, project, err);
	if (r == 0)
		return error_set(err, EIO, "it is not in it afterwards");
	return r < 0 ? r : 0;
}

int place_tag(int pool_fd, const char *id, const struct place *place, int fd, uint32_t project, struct error *err)
{
	int r = place->kind == PLACE_FILE ? tag_file(fd, project, err) : tag_by_side(pool_fd, id, fd, project, err);

	return r < 0 ? error_context(err, "put '%s' into project %u", place->path, project) : 0;
}
