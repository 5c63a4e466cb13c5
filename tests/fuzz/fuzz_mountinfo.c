/* Any text as a mount table: no crash, no endless walk, answers that agree with each other. */
#include "sys/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_options(const char *options)
{
	_cleanup_free_ char *value = NULL;

	(void)mount_option_has(options, "prjquota");
	if (mount_option_get(options, "upperdir", &value) == 0 && strlen(value) > strlen(options))
		abort();
}

static void check_entry(const struct mount_table *table, const struct mount_entry *entry)
{
	const struct mount_entry *at = mount_table_at(table, entry->target);
	const struct mount_entry *covering = mount_table_covering(table, entry->target);

	if (entry->target[0] != '/' || !entry->root[0] || !entry->type[0])
		abort();
	if (at && (at != covering || strcmp(at->target, entry->target) != 0))
		abort();
	if (covering && strncmp(covering->target, entry->target, strlen(covering->target)) != 0)
		abort();
	check_options(entry->options);
	check_options(entry->super_options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	struct error err = ERROR_INIT;
	int r = mount_table_parse((const char *)data, size, &table, &err);

	if (r < 0) {
		if (r != -EINVAL || err.code != EINVAL || !err.message[0] || table.len)
			abort();
		return 0;
	}
	for (size_t i = 0; i < table.len && i < 64; i++)
		check_entry(&table, &table.entries[i]);
	return 0;
}
