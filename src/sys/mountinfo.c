#include "sys/mountinfo.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/units.h"

void mount_table_release(struct mount_table *table)
{
	for (size_t i = 0; i < table->len; i++)
		free(table->entries[i].line);
	free(table->entries);
	*table = MOUNT_TABLE_INIT;
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* "\040" and the like, in place. What is not three octal digits stays as it is. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] <= '3' && is_octal(s[1]) && is_octal(s[2]) &&
		    is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/*
 * The next field; *cursor is NULL behind the last. Exactly one space parts two fields: an empty
 * source (mount "" -t tmpfs) shows as two spaces.
 */
static char *next_field(char **cursor)
{
	char *field = *cursor;
	char *space = field ? strchr(field, ' ') : NULL;

	if (space)
		*space++ = '\0';
	*cursor = space;
	return field;
}

static int parse_number(const char *s, uint64_t max, uint64_t *ret)
{
	if (!s || u64_parse(s, ret) < 0 || *ret > max)
		return -EINVAL;
	return 0;
}

static int parse_device(char *s, struct mount_entry *entry)
{
	char *colon = s ? strchr(s, ':') : NULL;
	uint64_t major, minor;

	if (!colon)
		return -EINVAL;
	*colon = '\0';
	if (parse_number(s, UINT32_MAX, &major) < 0 ||
	    parse_number(colon + 1, UINT32_MAX, &minor) < 0)
		return -EINVAL;
	entry->major = (unsigned)major;
	entry->minor = (unsigned)minor;
	return 0;
}

/* Up to and with the lone "-" that ends the optional fields. */
static int skip_optional(char **cursor)
{
	for (;;) {
		const char *field = next_field(cursor);

		if (!field)
			return -EINVAL;
		if (strcmp(field, "-") == 0)
			return 0;
	}
}

/* Cuts `line` up; the entry points into it and owns it once this has succeeded. */
static int parse_line(char *line, struct mount_entry *ret)
{
	struct mount_entry entry = { .line = line };
	char *cursor = line;
	char *root, *target, *type, *source;
	uint64_t id, parent;

	if (parse_number(next_field(&cursor), INT32_MAX, &id) < 0 ||
	    parse_number(next_field(&cursor), INT32_MAX, &parent) < 0 ||
	    parse_device(next_field(&cursor), &entry) < 0)
		return -EINVAL;
	root = next_field(&cursor);
	target = next_field(&cursor);
	entry.options = next_field(&cursor);
	if (!root || !*root || !target || target[0] != '/' || !entry.options || !*entry.options ||
	    skip_optional(&cursor) < 0)
		return -EINVAL;
	type = next_field(&cursor);
	source = next_field(&cursor);
	/* The rest of the line: some file systems have written a bare space into their options. */
	entry.super_options = cursor;
	if (!type || !*type || !source || !cursor)
		return -EINVAL;
	unescape(root);
	unescape(target);
	unescape(type);
	unescape(source);
	entry.id = (int)id;
	entry.parent = (int)parent;
	entry.root = root;
	entry.target = target;
	entry.type = type;
	entry.source = source;
	*ret = entry;
	return 0;
}

static int table_grow(struct mount_table *table)
{
	size_t cap = table->cap ? table->cap * 2 : 64;
	struct mount_entry *entries;

	if (table->len < table->cap)
		return 0;
	entries = reallocarray(table->entries, cap, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	table->entries = entries;
	table->cap = cap;
	return 0;
}

static int table_add(struct mount_table *table, const char *text, size_t len)
{
	_cleanup_free_ char *line = NULL;

	if (memchr(text, '\0', len))
		return -EINVAL;
	if (table_grow(table) < 0)
		return -ENOMEM;
	line = strndup(text, len);
	if (!line)
		return -ENOMEM;
	if (parse_line(line, &table->entries[table->len]) < 0)
		return -EINVAL;
	TAKE_PTR(line);
	table->len++;
	return 0;
}

int mount_table_parse(const char *text, size_t len, struct mount_table *ret, struct error *err)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	size_t number = 1;

	if (!text)
		len = 0;
	for (size_t at = 0; at < len; number++) {
		const char *start = text + at;
		const char *end = memchr(start, '\n', len - at);
		size_t line_len = end ? (size_t)(end - start) : len - at;
		int r = table_add(&table, start, line_len);

		if (r == -ENOMEM)
			return error_errno(err, ENOMEM, "read the mount table");
		if (r < 0)
			return error_set(err, EINVAL,
					 "mount table, line %zu: '%.*s' is not a mount", number,
					 (int)MIN_OF(line_len, (size_t)200), start);
		at += line_len + 1;
	}
	*ret = table;
	table = MOUNT_TABLE_INIT;
	return 0;
}

int mount_table_read_self(struct mount_table *ret, struct error *err)
{
	_cleanup_fd_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = fd < 0 ? -errno : file_read_fd(fd, MOUNTINFO_CAP, &text, &len);

	if (r < 0)
		return error_errno(err, r, "read '/proc/self/mountinfo'");
	return mount_table_parse(text, len, ret, err);
}

/* Does `path` lie at or below `target`, by whole components? */
static bool lies_below(const char *path, const char *target)
{
	size_t len = strlen(target);

	if (strncmp(path, target, len) != 0)
		return false;
	return path[len] == '\0' || path[len] == '/' || target[len - 1] == '/';
}

/*
 * A mount whose parent is not in the table is where a walk starts: the root, or under chroot
 * whatever is visible. A parent's mount point is a prefix of its child's, so that only mounts above
 * `path` need to be looked at.
 */
static bool is_orphan(const struct mount_table *table, const struct mount_entry *entry,
		      const char *path)
{
	if (entry->parent == entry->id)
		return true;
	for (size_t i = 0; i < table->len; i++) {
		if (table->entries[i].id == entry->parent &&
		    lies_below(path, table->entries[i].target))
			return false;
	}
	return true;
}

static const struct mount_entry *walk_start(const struct mount_table *table, const char *path)
{
	const struct mount_entry *best = NULL;

	for (size_t i = 0; i < table->len; i++) {
		const struct mount_entry *entry = &table->entries[i];

		if (!lies_below(path, entry->target) || !is_orphan(table, entry, path))
			continue;
		if (!best || strlen(entry->target) >= strlen(best->target))
			best = entry;
	}
	return best;
}

/* The mount on `from` that a walk along `path` crosses into first. */
static const struct mount_entry *walk_step(const struct mount_table *table,
					   const struct mount_entry *from, const char *path)
{
	const struct mount_entry *best = NULL;

	for (size_t i = 0; i < table->len; i++) {
		const struct mount_entry *entry = &table->entries[i];

		if (entry->parent != from->id || entry == from || entry->parent == entry->id ||
		    !lies_below(path, entry->target))
			continue;
		if (!best || strlen(entry->target) <= strlen(best->target))
			best = entry;
	}
	return best;
}

const struct mount_entry *mount_table_covering(const struct mount_table *table, const char *path)
{
	const struct mount_entry *at = walk_start(table, path);

	/* No more steps than mounts: ids that repeat (not the kernel's doing) must not loop. */
	for (size_t steps = 0; at && steps < table->len; steps++) {
		const struct mount_entry *next = walk_step(table, at, path);

		if (!next)
			break;
		at = next;
	}
	return at;
}

const struct mount_entry *mount_table_at(const struct mount_table *table, const char *target)
{
	const struct mount_entry *entry = mount_table_covering(table, target);

	return entry && strcmp(entry->target, target) == 0 ? entry : NULL;
}

bool mount_same_fs(const struct mount_entry *a, const struct mount_entry *b)
{
	return a->major == b->major && a->minor == b->minor;
}

bool mount_option_has(const char *options, const char *option)
{
	size_t len = strlen(option);

	while (*options) {
		size_t here = strcspn(options, ",");

		if (here == len && strncmp(options, option, len) == 0)
			return true;
		options += here;
		options += *options == ',';
	}
	return false;
}

int mount_option_get(const char *options, const char *key, char **ret)
{
	size_t len = strlen(key);

	while (*options) {
		size_t here = strcspn(options, ",");

		if (here >= len && strncmp(options, key, len) == 0 &&
		    (here == len || options[len] == '=')) {
			size_t skip = here == len ? len : len + 1;
			char *value = strndup(options + skip, here - skip);

			if (!value)
				return -ENOMEM;
			unescape(value);
			*ret = value;
			return 0;
		}
		options += here;
		options += *options == ',';
	}
	return -ENOENT;
}
