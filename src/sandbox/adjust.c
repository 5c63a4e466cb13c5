#include "sandbox/adjust.h"

#include "base/units.h"
#include "quota/budget.h"
#include "sandbox/bundle.h"
#include "sandbox/docker_files.h"
#include "sandbox/limit.h"

static int decide(const struct settings *settings, const struct sandbox *sandbox,
		  const struct adjustment *adjustment, uint64_t *ret_bytes, struct error *err)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
	struct limit_sources sources = { 0 };
	struct limit limit;
	int r;

	if (!adjustment->by_default) {
		if (!adjustment->bytes && !settings->allow_unlimited)
			return error_set(err, EINVAL, "no limit is not allowed on this host "
					 "(budget.allow_unlimited)");
		if (adjustment->bytes && adjustment->bytes < LIMIT_MIN)
			return error_set(err, EINVAL, "less than 1M is no budget");
		if (adjustment->bytes > LIMIT_MAX)
			return error_set(err, EINVAL, "more than 1024T is no limit: where none is wanted, say 'unlimited'");
		*ret_bytes = adjustment->bytes;
		return 0;
	}
	if (sandbox->record.asked) {
		*ret_bytes = sandbox->record.asked == RECORD_UNLIMITED ? 0 : sandbox->record.asked;
		return 0;
	}
	r = *settings->engine ? docker_files_read(settings->engine, sandbox->id, &files, err) : 0;
	if (r < 0)
		return r;
	sources.label = files.disk;
	sources.engine = files.size;
	r = limit_decide(settings, &sources, &limit, err);
	if (r == 0)
		*ret_bytes = limit.bytes;
	return r;
}

int sandbox_adjust(const struct settings *settings, int pool_fd, const struct sandbox *sandbox,
		   const struct adjustment *adjustment, uint64_t *ret_budget, struct error *err)
{
	_cleanup_fd_ int lock = -EBADF;
	struct record record;
	char used[UNITS_MAX], wanted[UNITS_MAX];
	struct budget budget;
	uint64_t bytes = 0;
	int r = decide(settings, sandbox, adjustment, &bytes, err);

	if (r < 0)
		return r;
	if (bytes && bytes < sandbox->usage.used && !adjustment->force)
		return error_set(err, ENOSPC, "it uses %s, more than %s: it could write nothing more; --force "
				 "sets that all the same", size_format(sandbox->usage.used, used),
				 size_format(bytes, wanted));
	r = record_lock(pool_fd, &lock, err);
	if (r == 0)
		r = record_read(pool_fd, sandbox->id, &record, err);
	if (r == 0)
		r = error_set(err, ENOENT, "sandbox %.64s is gone", sandbox->id);
	if (r < 0)
		return r;
	record.budget = bytes;
	record.set = adjustment->by_default ? 0 : bytes ? bytes : RECORD_UNLIMITED;
	budget = budget_make(bytes, settings->bytes_per_inode);
	/* The record first: what was promised outlives a cut, and reconcile makes the limit follow. */
	r = record_write(pool_fd, sandbox->id, &record, err);
	if (r == 0)
		r = budget_apply(pool_fd, record.project,
				 record_is_running(&record) ? budget : budget_with_reserve(budget), err);
	if (r == 0)
		*ret_budget = bytes;
	return r;
}
