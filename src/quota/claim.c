#include "quota/claim.h"

#include <stdio.h>

#include "sys/quota.h"

#define NAME_MAX_LEN 12 /* ten digits */

static void name_of(uint32_t project, char ret[static NAME_MAX_LEN])
{
	(void)snprintf(ret, NAME_MAX_LEN, "%u", project);
}

int claim_owner(int claims_fd, uint32_t project, char ret_owner[static CLAIM_OWNER_MAX],
		struct error *err)
{
	char name[NAME_MAX_LEN];
	ssize_t n;

	name_of(project, name);
	n = readlinkat(claims_fd, name, ret_owner, CLAIM_OWNER_MAX - 1);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return error_errno(err, errno, "read who has project %u", project);
	ret_owner[n] = '\0';
	return 1;
}

int claim_take(int claims_fd, uint32_t project, const char *owner, char ret_other[static CLAIM_OWNER_MAX],
	       struct error *err)
{
	char name[NAME_MAX_LEN];
	int r;

	name_of(project, name);
	ret_other[0] = '\0';
	if (symlinkat(owner, claims_fd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "claim project %u", project);
	r = claim_owner(claims_fd, project, ret_other, err);
	if (r < 0)
		return r;
	if (strcmp(ret_other, owner) == 0)
		return 0;
	return error_set(err, EEXIST, "project %u belongs to sandbox %.64s", project, ret_other);
}

/* FNV-1a: where in the range the search for an owner begins, so that two rarely meet. */
static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261U;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return h;
}

/* Files of a sandbox that is gone may still count under an id whose claim is not there any more. */
static int is_unused(int pool_fd, uint32_t project, struct error *err)
{
	struct quota_usage usage;
	int r = quota_get(pool_fd, project, &usage, err);

	return r < 0 ? r : usage.used == 0 && usage.inodes == 0;
}

int claim_new(int claims_fd, int pool_fd, const struct project_range *range, const char *owner,
	      uint32_t *ret_project, struct error *err)
{
	uint64_t count = (uint64_t)range->last - range->first + 1;
	uint64_t begin = hash(owner) % count;
	char other[CLAIM_OWNER_MAX];

	for (uint64_t i = 0; i < count; i++) {
		uint32_t project = (uint32_t)(range->first + (begin + i) % count);
		struct error taken = ERROR_INIT;
		int r = claim_take(claims_fd, project, owner, other, &taken);

		if (r == -EEXIST)
			continue;
		/* `other` is filled where the link was there before us: it is this owner's own. */
		if (r == 0 && !*other)
			r = is_unused(pool_fd, project, &taken);
		else if (r == 0)
			r = 1;
		if (r < 0)
			return error_set(err, taken.code, "%s", taken.message);
		if (r > 0) {
			*ret_project = project;
			return 0;
		}
		(void)claim_release(claims_fd, project, owner, NULL);
	}
	return error_set(err, ENOSPC, "all %llu project ids from %u to %u are taken: run 'berth quota "
			 "reconcile', or widen budget.first_project and budget.last_project",
			 (unsigned long long)count, range->first, range->last);
}

int claim_release(int claims_fd, uint32_t project, const char *owner, struct error *err)
{
	char name[NAME_MAX_LEN], now[CLAIM_OWNER_MAX];
	int r = claim_owner(claims_fd, project, now, err);

	if (r <= 0 || strcmp(now, owner) != 0)
		return r < 0 ? r : 0;
	name_of(project, name);
	if (unlinkat(claims_fd, name, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "release project %u", project);
	return 0;
}
