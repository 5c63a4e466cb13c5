#include "sandbox/orphans.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/units.h"
#include "sandbox/pool_dirs.h"

#define TEXT_MAX 24

uint64_t orphan_since(int pool_fd, const char *id)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_ORPHANS);
	char text[TEXT_MAX];
	uint64_t since = 0;
	ssize_t n = dir < 0 ? -1 : readlinkat(dir, id, text, sizeof(text) - 1);

	if (n < 0)
		return 0;
	text[n] = '\0';
	return u64_parse(text, &since) < 0 ? 0 : since;
}

int orphan_note(int pool_fd, const char *id, uint64_t now_s, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_make(pool_fd, POOL_ORPHANS, err);
	char text[TEXT_MAX];

	if (dir < 0)
		return dir;
	(void)snprintf(text, sizeof(text), "%" PRIu64, now_s);
	(void)unlinkat(dir, id, 0);
	return symlinkat(text, dir, id) < 0 ? error_errno(err, errno, "note that sandbox %.64s is gone", id) :
					      0;
}

int orphan_forget(int pool_fd, const char *id, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_ORPHANS);

	if (dir < 0 || unlinkat(dir, id, 0) == 0 || errno == ENOENT)
		return 0;
	return error_errno(err, errno, "forget that sandbox %.64s was gone", id);
}

bool orphan_is_due(uint64_t since_s, uint64_t now_s, uint64_t keep_s)
{
	return since_s && now_s >= since_s && now_s - since_s >= keep_s;
}
