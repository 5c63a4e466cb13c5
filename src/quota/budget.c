#include "quota/budget.h"

#define UNIT ((uint64_t)512)
/* A record whose limits are all 0 takes the default of project 0: "unlimited" is a limit out of reach. */
#define UNLIMITED ((uint64_t)1 << 60)

struct budget budget_make(uint64_t bytes, uint64_t bytes_per_inode)
{
	uint64_t inodes = bytes_per_inode ? bytes / bytes_per_inode : 0;

	if (!bytes)
		return (struct budget){ 0 };
	return (struct budget){ .bytes = bytes, .inodes = MAX_OF(inodes, BUDGET_INODES_MIN) };
}

struct budget budget_with_reserve(struct budget budget)
{
	if (budget.bytes)
		budget.bytes += BUDGET_RESERVE_BYTES;
	if (budget.inodes)
		budget.inodes += BUDGET_RESERVE_INODES;
	return budget;
}

int budget_check_pool(int pool_fd, struct error *err)
{
	struct quota_state state;
	int r = quota_get_state(pool_fd, &state, err);

	if (r < 0)
		return r;
	if (!state.accounting || !state.enforcement)
		return error_set(err, EOPNOTSUPP, "the pool's project quotas are %s: 'berth verify' says "
				 "more", state.accounting ? "counted, but not enforced" : "off");
	return 0;
}

static uint64_t whole_units(uint64_t bytes)
{
	return bytes < UNLIMITED ? (bytes + UNIT - 1) / UNIT * UNIT : UNLIMITED;
}

static uint64_t kernel_bytes(struct budget budget)
{
	return budget.bytes ? whole_units(budget.bytes) : UNLIMITED;
}

static uint64_t kernel_inodes(struct budget budget)
{
	return budget.inodes ? budget.inodes : UNLIMITED;
}

int budget_holds(int pool_fd, uint32_t project, struct budget budget, struct quota_usage *ret_now,
		 struct error *err)
{
	int r = quota_get(pool_fd, project, ret_now, err);

	return r < 0 ? r : ret_now->hard == kernel_bytes(budget) &&
				   ret_now->inode_hard == kernel_inodes(budget);
}

static int set_and_read_back(int pool_fd, uint32_t project, uint64_t bytes, uint64_t inodes, struct error *err)
{
	struct quota_usage now = { 0 };
	int r = quota_set_limit(pool_fd, project, bytes, inodes, err);

	if (r == 0)
		r = quota_get(pool_fd, project, &now, err);
	if (r < 0 || (now.hard == bytes && now.inode_hard == inodes))
		return r;
	return error_set(err, EIO, "the limits of project %u read back as %llu bytes and %llu inodes, not the %llu and "
			 "%llu that were set", project, (unsigned long long)now.hard,
			 (unsigned long long)now.inode_hard, (unsigned long long)bytes, (unsigned long long)inodes);
}

int budget_apply(int pool_fd, uint32_t project, struct budget budget, struct error *err)
{
	return set_and_read_back(pool_fd, project, kernel_bytes(budget), kernel_inodes(budget), err);
}

int budget_apply_default(int pool_fd, struct budget budget, struct error *err)
{
	return set_and_read_back(pool_fd, 0, whole_units(budget.bytes), budget.inodes, err);
}

bool budget_is_unlimited(uint64_t limit)
{
	return limit == 0 || limit >= UNLIMITED;
}
