#include "sandbox/running.h"

#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"

/* Of a pod the record tells of its last start alone, so others in it may be older. */
static bool is_under_another(const struct record *record, const char *id, const struct pod_containers *notes, uint64_t mgr)
{
	return (record->mgr && record->mgr != mgr) || pod_is_older(notes, id, mgr);
}

/* `mgr` 0: all; else those that another sysbox-mgr saw start. */
static int running(int pool_fd, uint64_t mgr, const struct pod_containers *notes, struct strv *ret, struct error *err)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = pool_dir_names(pool_fd, POOL_SANDBOXES, &ids, err);

	strv_foreach (&ids, i, id) {
		struct record record;

		if (r < 0 || id[0] == '.' || record_read(pool_fd, id, &record, NULL) <= 0 || !record_is_running(&record) ||
		    (mgr && !is_under_another(&record, id, notes, mgr)))
			continue;
		if (strv_add(ret, id) < 0)
			r = error_errno(err, ENOMEM, "look at the sandboxes that run");
	}
	return r;
}

int running_all(int pool_fd, struct strv *ret, struct error *err)
{
	return running(pool_fd, 0, NULL, ret, err);
}

int running_pods(int pool_fd, struct strv *ret, struct error *err)
{
	_cleanup_(pod_containers_release) struct pod_containers notes = POD_CONTAINERS_INIT;
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = pod_containers_read(pool_fd, &notes, err);

	if (r == 0)
		r = running(pool_fd, 0, &notes, &ids, err);
	strv_foreach (&ids, i, id) {
		_cleanup_free_ char *name = r == 0 ? pod_name(&notes, id) : NULL;

		if (name && strv_add(ret, name) < 0)
			r = error_errno(err, ENOMEM, "look at the pods that run");
	}
	return r;
}

int running_under_others(int pool_fd, uint64_t mgr, struct strv *ret, struct error *err)
{
	_cleanup_(pod_containers_release) struct pod_containers notes = POD_CONTAINERS_INIT;
	int r = mgr ? pod_containers_read(pool_fd, &notes, err) : 0;

	return r < 0 || !mgr ? r : running(pool_fd, mgr, &notes, ret, err);
}

int running_stranded(int pool_fd, struct strv *ret, struct error *err)
{
	return running_under_others(pool_fd, record_mgr(), ret, err);
}
