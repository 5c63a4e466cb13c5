#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fault.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/docker_files.h"
#include "sandbox/fence.h"
#include "sandbox/limit.h"
#include "sandbox/place_project.h"
#include "sandbox/places.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/project.h"
#include "sandbox/record.h"
#include "sandbox/stash.h"
#include "sandbox/verbs.h"

struct starting {
	const struct settings *settings;
	const char *id;	   /* the container's */
	const char *owner; /* whose budget it is: its own, or its pod's sandbox */
	int pool;
	int claims;
	struct bundle bundle;
	struct places places;
	struct record record; /* all 0 where there was none */
	bool opened; /* the limits were taken away for the time of tagging */
	struct error *err;
};

static void starting_release(struct starting *s)
{
	fd_closep(&s->pool);
	fd_closep(&s->claims);
	bundle_release(&s->bundle);
	places_release(&s->places);
}

/*
 * A sparse image on a full disk takes writes and loses them later. Those that run are warned by others;
 * new ones do not start.
 */
static int check_backing(const struct settings *settings, struct error *err)
{
	char free_text[UNITS_MAX], floor_text[UNITS_MAX];
	struct statvfs disk;
	struct stat image;
	uint64_t left;

	if (!*settings->image)
		return 0;
	if (stat(settings->image, &image) < 0 || statvfs(settings->image, &disk) < 0)
		return error_errno(err, errno, "look at the pool's image '%s'", settings->image);
	if ((uint64_t)image.st_blocks * 512 >= (uint64_t)image.st_size)
		return 0;
	left = (uint64_t)disk.f_bavail * disk.f_frsize;
	if (left >= settings->floor)
		return 0;
	return error_set(err, ENOSPC, "only %s are free on the disk beneath the pool's '%s', less than the "
			 "%s without which what sandboxes write could be lost: make room there",
			 size_format(left, free_text), settings->image,
			 size_format(settings->floor, floor_text));
}

static int open_pool(struct starting *s)
{
	int r = pool_open(s->settings->pool, &s->pool, s->err);

	if (r == 0)
		r = budget_check_pool(s->pool, s->err);
	if (r == 0)
		r = check_backing(s->settings, s->err);
	if (r == 0) {
		s->claims = pool_dir_make(s->pool, POOL_PROJECTS, s->err);
		r = s->claims < 0 ? s->claims : 0;
	}
	return r < 0 ? r : record_read(s->pool, s->owner, &s->record, s->err);
}

static int find_places(struct starting *s)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	int r = mount_table_read_self(&table, s->err);

	return r < 0 ? r : places_find(&table, s->pool, s->settings, s->id, &s->bundle, &s->places, s->err);
}

/* Of an annotation that limit_decide() takes, whatever came before it. */
static uint64_t asked_for(const char *text)
{
	uint64_t bytes = 0;

	return size_parse(text, &bytes) == 0 ? bytes : RECORD_UNLIMITED;
}

static int decide_limit(struct starting *s, struct limit *ret)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
	int r = s->bundle.pod || !*s->settings->engine ?
			0 :
			docker_files_read(s->settings->engine, s->id, &files, s->err);
	const struct limit_sources sources = {
		.set = s->record.set,
		.annotation = s->bundle.disk,
		.label = files.disk,
		.engine = files.size,
	};

	r = r < 0 ? r : limit_decide(s->settings, &sources, ret, s->err);
	s->record.asked = s->bundle.disk ? asked_for(s->bundle.disk) : 0;
	return r;
}

/*
 * What is there already may be more than the limit, and making a link again needs an inode. Where others of the pod run
 * meanwhile only that is let in: what is tagged counts, and is not refused for its size.
 */
static int open_limits(struct starting *s)
{
	struct budget open = { 0 };
	int r;

	if (s->opened)
		return 0;
	if (record_is_running(&s->record) && s->record.budget)
		open.bytes = s->record.budget + BUDGET_RESERVE_BYTES;
	r = budget_apply(s->pool, s->record.project, open, s->err);
	s->opened = r == 0;
	return r;
}

static int tag_place(struct starting *s, const struct place *place)
{
	_cleanup_fd_ int fd = -EBADF;
	int r = place_drifted(s->settings, s->pool, s->claims, place, s->record.project, &fd, s->err);

	if (r <= 0)
		return r;
	fault_point("start:tag");
	r = place->kind == PLACE_FILE ? 0 : open_limits(s);
	return r < 0 ? r : place_tag(s->pool, s->id, place, fd, s->record.project, s->err);
}

static int bind_budget(struct starting *s, const struct limit *limit)
{
	const struct budget budget = budget_make(limit->bytes, s->settings->bytes_per_inode);
	struct error ignored = ERROR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->places.len; i++)
		r = tag_place(s, &s->places.items[i]);
	fault_point("start:limit");
	/* Also where this one does not start: others of its pod may run. */
	if (r == 0)
		r = budget_apply(s->pool, s->record.project, budget, s->err);
	else if (s->opened)
		(void)budget_apply(s->pool, s->record.project, budget, &ignored);
	return r;
}

/*
 * An operator may have set another budget since the record was read: then that one counts. And whoever goes by the record
 * that was there (`quota reconcile`) has set what it said.
 */
static int take_news(struct starting *s, struct limit *limit)
{
	struct record now = { 0 };
	struct quota_usage usage;
	struct budget budget;
	int r = record_read(s->pool, s->owner, &now, s->err);

	if (r > 0 && now.set != s->record.set) {
		s->record.set = now.set;
		r = decide_limit(s, limit);
	}
	if (r < 0)
		return r;
	budget = budget_make(limit->bytes, s->settings->bytes_per_inode);
	r = budget_holds(s->pool, s->record.project, budget, &usage, s->err);
	return r != 0 ? r : budget_apply(s->pool, s->record.project, budget, s->err);
}

static bool is_outside(const struct starting *s)
{
	for (size_t i = 0; i < s->places.len; i++) {
		if (s->places.items[i].kind == PLACE_LAYER)
			return false;
	}
	return s->bundle.pod != NULL;
}

static int note(struct starting *s, struct limit *limit)
{
	_cleanup_fd_ int lock = -EBADF;
	int r = record_lock(s->pool, &lock, s->err);

	if (r == 0)
		r = take_news(s, limit);
	if (r < 0)
		return r;
	s->record.budget = limit->bytes;
	/* Of a pod: the root file system of any of its containers. */
	s->record.outside = is_outside(s) || (s->record.outside && s->owner != s->id);
	s->record.running = true;
	s->record.boot = record_boot();
	s->record.mgr = record_mgr();
	fault_point("start:record");
	return record_write(s->pool, s->owner, &s->record, s->err);
}

/* How much of "NAMESPACE/POD/CONTAINER" is the pod. */
static size_t pod_part(const char *name)
{
	const char *slash = strchr(name, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;

	return second ? (size_t)(second - name) : strlen(name);
}

/*
 * CRI-O lets a pod's own annotations reach its sandbox's bundle, over its own: one that names another pod's sandbox would
 * be in that one's budget. Its name is kubelet's word.
 */
static int check_pod(struct starting *s)
{
	_cleanup_(pod_containers_release) struct pod_containers notes = POD_CONTAINERS_INIT;
	size_t n = pod_part(s->bundle.pod_name);
	int r = pod_containers_read(s->pool, &notes, s->err);

	for (size_t i = 0; r == 0 && i < notes.len; i++) {
		const struct pod_container *other = &notes.items[i];

		if (strcmp(other->sandbox, s->owner) == 0 &&
		    (pod_part(other->name) != n || strncmp(other->name, s->bundle.pod_name, n) != 0))
			r = error_set(s->err, EPERM, "pod '%s' names the sandbox of '%s' as its own", s->bundle.pod_name,
				      other->name);
	}
	return r;
}

/* Two runtimes for one container: one after the other. The lock goes when the real one is executed. */
static int lock_bundle(const char *path, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return error_errno(err, errno, "lock the bundle '%s'", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* Not while sysbox-mgr is being stopped, which would remove it. */
static int restore(struct starting *s)
{
	_cleanup_fd_ int lock = -EBADF;
	unsigned restored;
	int r = fence_lock(s->pool, LOCK_SH, &lock, s->err);

	if (r == 0 && fence_stands(FENCE, record_mgr())) {
		r = stash_holds(s->pool, s->id, s->err);
		if (r > 0)
			return error_set(s->err, EAGAIN, "sysbox-mgr is being stopped, and what the sandbox has waits in "
					 "the stash: start it again when Sysbox runs");
	}
	return r < 0 ? r : stash_restore(s->pool, s->id, &restored, s->err);
}

int verb_start(const struct settings *settings, const char *root, const char *id, struct error *err)
{
	_cleanup_(starting_release) struct starting s = {
		.settings = settings, .id = id, .pool = -EBADF, .claims = -EBADF, .err = err
	};
	_cleanup_free_ char *path = NULL;
	_cleanup_fd_ int lock = -EBADF;
	struct limit limit;
	int r = bundle_find(BUNDLE_NOTES, root, id, &path, err);

	if (r <= 0)
		return r;
	r = bundle_read(path, &s.bundle, err);
	/* Not where pods are no sandboxes: then somebody else has put these annotations there. */
	if (!*settings->kubelet || (s.bundle.pod && !sandbox_id_valid(s.bundle.pod)))
		free(TAKE_PTR(s.bundle.pod));
	s.owner = s.bundle.pod ? s.bundle.pod : id;
	if (r == 0)
		r = lock_bundle(path, &lock, err);
	if (r == 0)
		r = open_pool(&s);
	if (r >= 0 && s.bundle.pod)
		r = check_pod(&s);
	if (r >= 0)
		r = decide_limit(&s, &limit);
	if (r >= 0)
		r = restore(&s);
	if (r >= 0)
		r = find_places(&s);
	if (r >= 0 && s.bundle.pod)
		r = pod_note(s.pool, id, s.owner, s.bundle.pod_name, record_mgr(), err);
	if (r >= 0)
		r = project_choose(settings, s.pool, s.claims, s.owner, s.places.layer_dir, &s.record.project, err);
	if (r >= 0)
		r = bind_budget(&s, &limit);
	return r < 0 ? r : note(&s, &limit);
}
