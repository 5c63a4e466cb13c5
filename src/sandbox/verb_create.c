#include <fcntl.h>

#include "sandbox/bundle.h"
#include "sandbox/creating.h"
#include "sandbox/heal.h"
#include "sandbox/places.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "sandbox/verbs.h"

#define SUBUID "/etc/subuid"
#define SUBGID "/etc/subgid"

static bool is_sysbox(const struct settings *settings)
{
	const char *slash = strrchr(settings->runtime, '/');

	return strcmp(slash ? slash + 1 : settings->runtime, "sysbox-runc") == 0;
}

/*
 * Has the sysbox-mgr that is there now seen the last start? Then it has reverted, and only a directory
 * that says otherwise itself is looked through. Of any other one, its own work may have been cut off.
 */
static bool was_reverted(const struct settings *settings, const char *id)
{
	_cleanup_fd_ int pool = -EBADF;
	struct record record;

	if (pool_open(settings->pool, &pool, NULL) < 0 || record_read(pool, id, &record, NULL) <= 0)
		return false;
	return record.mgr && record.mgr == record_mgr() && record.boot == record_boot();
}

static int heal(const struct settings *settings, const char *id, const char *path, struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	_cleanup_(bundle_release) struct bundle bundle = BUNDLE_INIT;
	_cleanup_(layer_release) struct layer layer = LAYER_INIT;
	_cleanup_fd_ int upper = -EBADF;
	uint32_t base;
	int r;

	/* What is wrong with a bundle is for the runtime to say, here and at the next step. */
	if (!is_sysbox(settings) || bundle_read(path, &bundle, NULL) < 0 || bundle.own_mappings ||
	    heal_base(SUBUID, SUBGID, &base, NULL) < 0)
		return 0;
	r = mount_table_read_self(&table, err);
	if (r == 0)
		r = layer_find(&table, bundle.rootfs, &layer, err);
	if (r < 0 || !layer.upper)
		return r;
	upper = open(layer.upper, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return error_errno(err, errno, "open the upper directory '%s'", layer.upper);
	r = heal_needed(upper, base, err);
	if (r == 0 && was_reverted(settings, id))
		return 0;
	return r < 0 ? r : heal_tree(upper, base, NULL, err);
}

int verb_create(const struct settings *settings, const char *root, const char *id, const char *path,
		struct error *err)
{
	int r;

	bundle_notes_make(BUNDLE_NOTES);
	r = creating_begin(BUNDLE_NOTES, root, id, err);
	if (r <= 0) /* 0: the runtime refuses it, and what is there is another's */
		return r;
	r = *path == '/' ? bundle_note(BUNDLE_NOTES, root, id, path, err) : 0;
	return r < 0 ? r : heal(settings, id, path, err);
}
