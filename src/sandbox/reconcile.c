#include "sandbox/reconcile.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/strv.h"
#include "base/units.h"
#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/drift.h"
#include "sandbox/orphans.h"
#include "sandbox/pods.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/project.h"
#include "sandbox/record.h"
#include "sandbox/stash.h"
#include "sys/quota.h"
#include "sys/tree_remove.h"

/* A start claims its project before it can note its record: younger claims are left alone. */
#define CLAIM_AGE_S 600

struct work {
	const struct settings *settings;
	const struct reconcile_options *options;
	int pool;
	uint64_t now_s;
	struct strv stashed; /* ids with something in the stash */
	struct pod_containers pods;
	struct drift drift;
	unsigned done;
	int result; /* of the first that failed */
	struct error *err;
};

static void did(struct work *w, const char *what, const char *id, const char *detail)
{
	w->done++;
	if (w->options->did)
		w->options->did(w->options->userdata, what, id, detail);
}

static const char *limit_text(uint64_t limit, char buf[static UNITS_MAX])
{
	return budget_is_unlimited(limit) ? "unlimited" : size_format(limit, buf);
}

/* One sandbox, or one thing, that fails: the others are looked at all the same. */
static void failed(struct work *w, const char *id, const struct error *why)
{
	if (w->options->failed)
		w->options->failed(w->options->userdata, id, why->message);
	if (w->result < 0)
		return;
	w->result = *id ? error_set(w->err, why->code, "sandbox %.64s: %s", id, why->message) :
			  error_set(w->err, why->code, "%s", why->message);
}

static struct budget expected(const struct work *w, const struct record *record)
{
	struct budget budget = budget_make(record->budget, w->settings->bytes_per_inode);

	return record_is_running(record) ? budget : budget_with_reserve(budget);
}

/* As it is now, and nobody changes it meanwhile: a start or `quota set` may have come since it was read. 0: it is gone. */
static int hold_record(struct work *w, const char *id, struct record *ret, int *ret_lock, struct error *err)
{
	int r = w->options->dry_run ? 0 : record_lock(w->pool, ret_lock, err);

	return r < 0 ? r : record_read(w->pool, id, ret, err);
}

static int check_limit(struct work *w, const char *id, const struct record *seen, struct error *err)
{
	char now_text[UNITS_MAX], then_text[UNITS_MAX], detail[120];
	_cleanup_fd_ int lock = -EBADF;
	struct record record = *seen;
	struct quota_usage now;
	struct budget budget;
	int r = budget_holds(w->pool, record.project, expected(w, &record), &now, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = hold_record(w, id, &record, &lock, err);
	if (r <= 0)
		return r;
	budget = expected(w, &record);
	r = budget_holds(w->pool, record.project, budget, &now, err);
	if (r != 0)
		return r < 0 ? r : 0;
	(void)snprintf(detail, sizeof(detail), "project %u had a limit of %s, not %s", record.project,
		       limit_text(now.hard, then_text), limit_text(budget.bytes, now_text));
	if (!w->options->dry_run)
		r = budget_apply(w->pool, record.project, budget, err);
	if (r == 0)
		did(w, "limit", id, detail);
	return r;
}

struct tagged {
	struct work *work;
	const char *id; /* the sandbox, whichever of its containers it is */
};

static void note_tag(void *userdata, const char *path)
{
	const struct tagged *tagged = userdata;

	did(tagged->work, "tag", tagged->id, path);
}

static int check_tags(struct work *w, const char *id, const struct record *record, struct error *err)
{
	struct tagged tagged = { .work = w, .id = id };
	int r;

	/* Of a stopped one, what comes back from the stash is tagged at its start. */
	if (!record_is_running(record))
		return 0;
	r = drift_of(&w->drift, id, record->project, &tagged, err);
	for (size_t i = 0; r == 0 && i < w->pods.len; i++) {
		const struct pod_container *c = &w->pods.items[i];

		if (strcmp(c->sandbox, id) == 0 && strcmp(c->id, id) != 0)
			r = drift_of(&w->drift, c->id, record->project, &tagged, err);
	}
	return r;
}

/* Of containers whose engine never had them deleted: a node that was cut off. */
static int forget_pods(struct work *w, struct error *err)
{
	(void)err;
	for (size_t i = 0; i < w->pods.len; i++) {
		const struct pod_container *c = &w->pods.items[i];
		struct error why = ERROR_INIT;
		struct record record;
		int r = record_read(w->pool, c->sandbox, &record, &why);

		if (r < 0)
			failed(w, c->sandbox, &why);
		else if ((r == 0 || !record_is_running(&record)) && !strv_contains(&w->stashed, c->id))
			pod_forget(w->pool, c->id);
	}
	return 0;
}

/* Was it started since, or is it in another project by now? */
static int came_back(struct work *w, uint32_t project, const char *owner, bool record, int *ret_lock, struct error *err)
{
	struct record now;
	int r = hold_record(w, owner, &now, ret_lock, err);

	if (r <= 0)
		return r;
	return record ? now.project != project || record_is_running(&now) : now.project == project;
}

/* What is not removed yet still counts: then it stays until it does not. */
static int release(struct work *w, uint32_t project, const char *owner, const char *what, bool record,
		   struct error *err)
{
	_cleanup_fd_ int claims = pool_dir_open(w->pool, POOL_PROJECTS), lock = -EBADF;
	struct quota_usage now;
	char detail[64];
	int r = came_back(w, project, owner, record, &lock, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = quota_get(w->pool, project, &now, err);
	if (r < 0 || now.used || now.inodes)
		return r;
	(void)snprintf(detail, sizeof(detail), "project %u%s", project, what);
	if (!w->options->dry_run) {
		r = quota_set_limit(w->pool, project, 0, 0, err);
		if (r == 0 && claims >= 0)
			r = claim_release(claims, project, owner, err);
		if (r == 0 && record)
			r = record_remove(w->pool, owner, err);
	}
	if (r == 0)
		did(w, "release", owner, detail);
	return r;
}

static int age_stash(struct work *w, const char *id, struct error *err)
{
	uint64_t since = orphan_since(w->pool, id);
	char left[UNITS_MAX], detail[100];
	int r = 0;

	if (!since) {
		(void)snprintf(detail, sizeof(detail), "gone; its stash is kept for %s",
			       duration_format(w->options->keep_s * 1000, left));
		if (!w->options->dry_run)
			r = orphan_note(w->pool, id, w->now_s, err);
		if (r == 0)
			did(w, "orphan", id, detail);
		return r;
	}
	if (!orphan_is_due(since, w->now_s, w->options->keep_s))
		return 0;
	if (!w->options->dry_run) {
		r = stash_remove(w->pool, id, err);
		if (r == 0)
			r = orphan_forget(w->pool, id, err);
	}
	if (r == 0)
		did(w, "remove", id, "its stash");
	return r;
}

static int check_sandbox(struct work *w, const char *id, struct error *err)
{
	struct record record = { 0 };
	int has = record_read(w->pool, id, &record, err);
	int r = has < 0 ? has : project_owner_exists(w->settings, w->pool, id, err);

	if (r < 0)
		return r;
	if (r > 0) {
		r = orphan_since(w->pool, id) && !w->options->dry_run ? orphan_forget(w->pool, id, err) : 0;
		if (r == 0 && has)
			r = check_limit(w, id, &record, err);
		return r == 0 && has ? check_tags(w, id, &record, err) : r;
	}
	if (strv_contains(&w->stashed, id))
		return age_stash(w, id, err);
	return has ? release(w, record.project, id, "", true, err) : 0;
}

static int note_stashed(void *userdata, const char *kind, const char *id)
{
	struct work *w = userdata;

	(void)kind;
	return strv_add_new(&w->stashed, id);
}

/* Of a sandbox without a record: of a start that failed, or of a record that was lost. */
static int check_claim(struct work *w, int claims, const char *name, struct error *err)
{
	char owner[CLAIM_OWNER_MAX];
	struct record record;
	struct stat st;
	uint64_t project;
	int r;

	if (u64_parse(name, &project) < 0 || project > UINT32_MAX ||
	    fstatat(claims, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint64_t)st.st_ctim.tv_sec + CLAIM_AGE_S > w->now_s ||
	    claim_owner(claims, (uint32_t)project, owner, NULL) <= 0)
		return 0;
	r = record_read(w->pool, owner, &record, err);
	if (r == 0)
		r = project_owner_exists(w->settings, w->pool, owner, err) ? 0 : 1;
	else if (r > 0)
		r = record.project != (uint32_t)project;
	return r <= 0 ? r : release(w, (uint32_t)project, owner, ", which nobody uses", false, err);
}

static int check_claims(struct work *w, struct error *err)
{
	_cleanup_fd_ int claims = pool_dir_open(w->pool, POOL_PROJECTS);
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = pool_dir_names(w->pool, POOL_PROJECTS, &names, err);

	if (r < 0)
		return r;
	strv_foreach (&names, i, name) {
		struct error why = ERROR_INIT;

		if (check_claim(w, claims, name, &why) < 0)
			failed(w, "", &why);
	}
	return 0;
}

/* Of a berth-runc that was killed while it made something again. */
static int empty_side(struct work *w, struct error *err)
{
	_cleanup_fd_ int side = pool_dir_open(w->pool, POOL_SIDE);
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = side < 0 ? 0 : pool_dir_names(w->pool, POOL_SIDE, &names, err);

	strv_foreach (&names, i, name) {
		_cleanup_fd_ int dir = openat(side, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (r < 0 || dir < 0 || fstat(dir, &st) < 0 ||
		    (uint64_t)st.st_ctim.tv_sec + CLAIM_AGE_S > w->now_s)
			continue;
		r = tree_remove_below(dir, POOL_SIDE, err);
		if (r == 0)
			(void)unlinkat(side, name, AT_REMOVEDIR);
	}
	return r;
}

static int check_sandboxes(struct work *w, struct error *err)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = pool_dir_names(w->pool, POOL_SANDBOXES, &ids, err);

	strv_foreach (&w->stashed, i, id) {
		if (r == 0)
			r = strv_add_new(&ids, id) < 0 ? error_errno(err, ENOMEM, "list sandboxes") : 0;
	}
	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		struct error why = ERROR_INIT;

		if (id[0] != '.' && check_sandbox(w, id, &why) < 0)
			failed(w, id, &why);
	}
	return 0;
}

static int empty_drop(struct work *w, struct error *err)
{
	return stash_empty_drop(w->pool, err);
}

static int check_default(struct work *w, struct error *err)
{
	return reconcile_default(w->settings, w->pool, err);
}

static const struct part {
	int (*run)(struct work *w, struct error *err);
	bool only_acts; /* nothing to be told of it beforehand */
} PARTS[] = {
	{ check_sandboxes, false }, { forget_pods, true }, { check_claims, false },
	{ empty_side, true },	    { empty_drop, true },  { check_default, true },
};

/* What all parts go by: without it nobody is known to be gone. */
static int look(struct work *w, struct error *err)
{
	int r = stash_each(w->pool, note_stashed, w, err);

	return r < 0 ? r : pod_containers_read(w->pool, &w->pods, err);
}

static void run_parts(struct work *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(PARTS); i++) {
		struct error why = ERROR_INIT;

		if (!(PARTS[i].only_acts && w->options->dry_run) && PARTS[i].run(w, &why) < 0)
			failed(w, "", &why);
	}
}

int reconcile(const struct settings *settings, int pool_fd, const struct reconcile_options *options,
	      unsigned *ret_done, struct error *err)
{
	_cleanup_fd_ int claims = pool_dir_open(pool_fd, POOL_PROJECTS);
	struct work w = { .settings = settings, .options = options, .pool = pool_fd,
			  .now_s = (uint64_t)time(NULL), .stashed = STRV_INIT, .err = err };
	struct error why = ERROR_INIT;

	w.drift = (struct drift){ .settings = settings, .pool = pool_fd, .claims = claims, .notes = BUNDLE_NOTES,
				  .dry_run = options->dry_run, .found = note_tag, .mounts = MOUNT_TABLE_INIT };
	if (look(&w, &why) < 0)
		failed(&w, "", &why);
	else
		run_parts(&w);
	drift_release(&w.drift);
	strv_release(&w.stashed);
	pod_containers_release(&w.pods);
	*ret_done = w.done;
	return w.result;
}

int reconcile_default(const struct settings *settings, int pool_fd, struct error *err)
{
	struct budget budget = budget_make(settings->budget, settings->bytes_per_inode);

	return budget_apply_default(pool_fd, budget, err);
}

static int give_reserve(const struct settings *settings, int pool_fd, const char *id, struct error *err)
{
	_cleanup_fd_ int lock = -EBADF;
	struct record record;
	int r = record_lock(pool_fd, &lock, err);

	if (r == 0)
		r = record_read(pool_fd, id, &record, err);
	if (r <= 0 || record_is_running(&record))
		return r < 0 ? r : 0;
	return budget_apply(pool_fd, record.project,
			    budget_with_reserve(budget_make(record.budget, settings->bytes_per_inode)), err);
}

int reconcile_reserves(const struct settings *settings, int pool_fd, struct error *err)
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	int r = pool_dir_names(pool_fd, POOL_SANDBOXES, &ids, err);
	int result = r;

	strv_foreach (&ids, i, id) {
		struct error why = ERROR_INIT;

		r = id[0] == '.' ? 0 : give_reserve(settings, pool_fd, id, &why);
		if (r < 0 && result == 0)
			result = error_set(err, why.code, "sandbox %.64s: %s", id, why.message);
	}
	return result;
}
