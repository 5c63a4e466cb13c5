#include "change/pool_policy.h"

#include "base/units.h"

#define MIB ((uint64_t)1 << 20)

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

unsigned pool_used_percent(const struct pool_figures *f)
{
	return f->total ? (unsigned)(MIN_OF(f->used, f->total) * 100 / f->total) : 0;
}

uint64_t pool_promised(const struct pool_figures *f)
{
	return f->device ? 0 : less(f->size, f->allocated);
}

uint64_t pool_room(const struct pool_figures *f, uint64_t reserve)
{
	return f->device ? 0 : less(less(f->disk_free, reserve), pool_promised(f));
}

bool pool_is_unfinished(const struct pool_figures *f)
{
	return f->size >= f->data && f->size - f->data >= POOL_SLACK;
}

bool pool_is_short(const struct pool_figures *f, uint64_t reserve)
{
	return pool_promised(f) > less(f->disk_free, reserve);
}

int pool_check_disk(const struct pool_figures *f, uint64_t reserve, struct error *err)
{
	char available[UNITS_MAX], kept[UNITS_MAX], promised[UNITS_MAX];

	if (!pool_promised(f) || f->disk_free >= reserve)
		return 0;
	return error_set(
		err, ENOSPC,
		"the disk below the pool runs full: %s are free on the %s file system of '%s', "
		"less than the reserve of %s, and %s of the image are not on it yet: free space "
		"there now, or what is written into the pool is lost when nothing is left",
		size_format(f->disk_free, available), f->disk_type, f->name,
		size_format(reserve, kept), size_format(pool_promised(f), promised));
}

/* ---- asked for ---- */

static int parse(const struct pool_figures *f, const char *size, uint64_t *ret, struct error *err)
{
	bool more = *size == '+';
	uint64_t bytes;
	int r = size_parse(size + more, &bytes);

	if (r == 0 && more && __builtin_add_overflow(f->device ? f->data : f->size, bytes, &bytes))
		r = -ERANGE;
	if (r < 0)
		return error_set(err, -r,
				 "'%s' is not a size: write 80G, or +10G for that much more", size);
	/* XFS' blocks, and those of any loop device. */
	*ret = bytes - bytes % MIB;
	return 0;
}

static int refuse_smaller(const struct pool_figures *f, uint64_t target, struct error *err)
{
	char now[UNITS_MAX], wanted[UNITS_MAX];

	size_format(f->device ? f->data : f->size, now);
	size_format(target, wanted);
	if (f->device)
		return error_set(
			err, EINVAL,
			"the pool on '%s' has %s, and XFS does not shrink to %s: run berth uninstall "
			"(Docker's data and sandboxes' inner data go back to /var/lib, where both must "
			"fit), name a smaller device in pool.device, and run berth install",
			f->name, now, wanted);
	return error_set(
		err, EINVAL,
		"'%s' has %s, and XFS does not shrink to %s: run berth uninstall (Docker's data and "
		"sandboxes' inner data go back to /var/lib, where both must fit), set pool.size to %s, "
		"and run berth install",
		f->name, now, wanted, wanted);
}

static int refuse_room(const struct pool_figures *f, uint64_t target, uint64_t reserve,
		       struct error *err)
{
	char to[UNITS_MAX], more[UNITS_MAX], available[UNITS_MAX], kept[UNITS_MAX];
	char promised[UNITS_MAX], left[UNITS_MAX];

	return error_set(
		err, ENOSPC,
		"no room for '%s' to grow to %s: that is %s more, and of the %s free on the %s "
		"file system it lies on %s are the reserve and %s promised to the image already, "
		"which leaves %s: free space there, or ask for less",
		f->name, size_format(target, to), size_format(target - f->size, more),
		size_format(f->disk_free, available), f->disk_type, size_format(reserve, kept),
		size_format(pool_promised(f), promised), size_format(pool_room(f, reserve), left));
}

static int ask_device(const struct pool_figures *f, uint64_t target, struct error *err)
{
	char now[UNITS_MAX], wanted[UNITS_MAX];

	if (target > f->size)
		return error_set(
			err, ERANGE,
			"'%s' has %s, so its file system cannot have %s: enlarge the device, then "
			"run berth pool grow without a size",
			f->name, size_format(f->size, now), size_format(target, wanted));
	if (target < f->data - f->data % MIB)
		return refuse_smaller(f, target, err);
	return target >= f->data + POOL_SLACK;
}

static int ask_image(const struct pool_figures *f, uint64_t target, uint64_t reserve,
		     struct error *err)
{
	char now[UNITS_MAX], least[UNITS_MAX];

	if (target < f->size - f->size % MIB)
		return refuse_smaller(f, target, err);
	if (target <= f->size)
		return pool_is_unfinished(f);
	if (target - f->size < POOL_SLACK)
		return error_set(err, EINVAL, "'%s' has %s: it grows by %s or more", f->name,
				 size_format(f->size, now), size_format(POOL_SLACK, least));
	if (target - f->size > pool_room(f, reserve))
		return refuse_room(f, target, reserve, err);
	return 1;
}

int pool_policy_ask(const struct pool_figures *f, const char *size, uint64_t reserve,
		    uint64_t *ret_target, struct error *err)
{
	char now[UNITS_MAX];
	uint64_t target = f->size;
	int r = size ? parse(f, size, &target, err) : 0;

	if (r < 0)
		return r;
	if (!size && !f->device && !pool_is_unfinished(f))
		return error_set(
			err, EINVAL,
			"say how large '%s' shall be (it has %s): berth pool grow 80G, or +10G",
			f->name, size_format(f->size, now));
	if (!size)
		r = pool_is_unfinished(f);
	else
		r = f->device ? ask_device(f, target, err) : ask_image(f, target, reserve, err);
	if (r > 0)
		*ret_target = f->device ? target : MAX_OF(target, f->size);
	return r;
}

/* ---- by policy ---- */

static bool is_due(const struct pool_figures *f, const struct pool_policy *policy)
{
	return policy->grow_at && pool_used_percent(f) >= policy->grow_at;
}

static int grow_image(const struct pool_figures *f, const struct pool_policy *policy,
		      uint64_t *ret_target, struct error *err)
{
	uint64_t room = pool_room(f, policy->reserve), by = policy->grow_by;
	char now[UNITS_MAX];

	if (policy->max_size) {
		by = MIN_OF(by, less(policy->max_size, f->size));
		if (by < POOL_SLACK)
			return error_set(
				err, EDQUOT,
				"the pool is %u%% full, and '%s' has %s, as much as pool.max_size "
				"allows: raise it, or remove what is not needed (docker image prune -a)",
				pool_used_percent(f), f->name, size_format(f->size, now));
	}
	if (room < by && room < POOL_GROW_MIN) {
		refuse_room(f, f->size + by, policy->reserve, err);
		return error_context(err, "the pool is %u%% full", pool_used_percent(f));
	}
	*ret_target = f->size + MIN_OF(by, room);
	*ret_target -= *ret_target % MIB;
	return 1;
}

int pool_policy_auto(const struct pool_figures *f, const struct pool_policy *policy,
		     uint64_t *ret_target, struct error *err)
{
	int r = pool_check_disk(f, policy->reserve, err);

	if (r < 0)
		return r;
	if (pool_is_unfinished(f)) {
		*ret_target = f->size;
		return 1;
	}
	return !f->device && is_due(f, policy) ? grow_image(f, policy, ret_target, err) : 0;
}
