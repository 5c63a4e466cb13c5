#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/verbs.h"

/*
 * A deleted container may be one that is only stopped: its files, and so its project, stay until its
 * engine has removed it, which no runtime is told of. `berth quota reconcile` sees that.
 */
int verb_delete(const struct settings *settings, const char *id, struct error *err)
{
	_cleanup_fd_ int pool = -EBADF, lock = -EBADF;
	struct record record;
	struct budget budget;
	int r;

	bundle_forget(BUNDLE_NOTES, id);
	r = pool_open(settings->pool, &pool, err);
	if (r == 0)
		r = record_lock(pool, &lock, err);
	if (r == 0)
		r = record_read(pool, id, &record, err);
	if (r <= 0)
		return r;
	budget = budget_make(record.budget, settings->bytes_per_inode);
	r = budget_apply(pool, record.project, budget_with_reserve(budget), err);
	record.running = false;
	return r < 0 ? r : record_write(pool, id, &record, err);
}
