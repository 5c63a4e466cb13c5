#include "sandbox/record.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "sandbox/pool_dirs.h"

#define MGR_SOCKET "/run/sysbox/sysmgr.sock"

static const struct field {
	const char *name;
	size_t offset;
	size_t size;
} FIELDS[] = {
#define FIELD(member) { #member, offsetof(struct record, member), sizeof(((struct record *)NULL)->member) }
	FIELD(project), FIELD(budget), FIELD(set), FIELD(asked), FIELD(outside), FIELD(running), FIELD(boot), FIELD(mgr),
#undef FIELD
};

static uint64_t get(const struct record *record, const struct field *field)
{
	const char *at = (const char *)record + field->offset;
	uint64_t wide;
	uint32_t narrow;

	if (field->size == sizeof(bool))
		return *(const bool *)at;
	if (field->size == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static int put(struct record *record, const struct field *field, uint64_t value)
{
	char *at = (char *)record + field->offset;
	uint32_t narrow = (uint32_t)value;

	if (field->size == sizeof(bool)) {
		*(bool *)at = value != 0;
		return value > 1 ? -ERANGE : 0;
	}
	if (field->size == sizeof(narrow)) {
		memcpy(at, &narrow, sizeof(narrow));
		return value > UINT32_MAX ? -ERANGE : 0;
	}
	memcpy(at, &value, sizeof(value));
	return 0;
}

void record_format(const struct record *record, char ret[static RECORD_TEXT_MAX])
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(FIELDS); i++)
		len += (size_t)snprintf(ret + len, RECORD_TEXT_MAX - len, "%s%s=%llu", i ? " " : "",
					FIELDS[i].name, (unsigned long long)get(record, &FIELDS[i]));
}

static int parse_field(const char *word, struct record *record)
{
	for (size_t i = 0; i < ARRAY_SIZE(FIELDS); i++) {
		size_t n = strlen(FIELDS[i].name);
		uint64_t value;

		if (strncmp(word, FIELDS[i].name, n) != 0 || word[n] != '=')
			continue;
		return u64_parse(word + n + 1, &value) < 0 ? -EBADMSG :
							       put(record, &FIELDS[i], value);
	}
	return 0; /* of a later berth */
}

int record_lock(int pool_fd, int *ret_fd, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_make(pool_fd, POOL_SANDBOXES, err);

	if (dir < 0)
		return dir;
	while (flock(dir, LOCK_EX) < 0) {
		if (errno != EINTR)
			return error_errno(err, errno, "lock the records of sandboxes");
	}
	*ret_fd = TAKE_FD(dir);
	return 0;
}

int record_parse(const char *text, struct record *ret)
{
	char copy[RECORD_TEXT_MAX], *save = copy;
	struct record record = { 0 };

	if (strlen(text) >= sizeof(copy))
		return -EBADMSG;
	memcpy(copy, text, strlen(text) + 1);
	while (save) {
		const char *word = strsep(&save, " ");

		if (*word && parse_field(word, &record) < 0)
			return -EBADMSG;
	}
	if (record.project == 0)
		return -EBADMSG;
	*ret = record;
	return 0;
}

int record_read(int pool_fd, const char *id, struct record *ret, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_SANDBOXES);
	char text[RECORD_TEXT_MAX];
	ssize_t n;

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return error_errno(err, dir, "open the pool's '" POOL_SANDBOXES "'");
	n = readlinkat(dir, id, text, sizeof(text) - 1);
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0)
		return error_errno(err, errno, "read the record of sandbox %.64s", id);
	text[n] = '\0';
	if (record_parse(text, ret) < 0)
		return error_set(err, EBADMSG, "the record of sandbox %.64s is '%.100s', which this berth "
				 "does not understand", id, text);
	return 1;
}

int record_write(int pool_fd, const char *id, const struct record *record, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_make(pool_fd, POOL_SANDBOXES, err);
	_cleanup_free_ char *temp = xasprintf(".%s.%d", id, (int)getpid());
	char text[RECORD_TEXT_MAX];

	if (dir < 0)
		return dir;
	if (!temp)
		return error_errno(err, ENOMEM, "note sandbox %.64s", id);
	record_format(record, text);
	(void)unlinkat(dir, temp, 0);
	if (symlinkat(text, dir, temp) < 0 || renameat(dir, temp, dir, id) < 0)
		return error_errno(err, errno, "note sandbox %.64s", id);
	return 0;
}

int record_remove(int pool_fd, const char *id, struct error *err)
{
	_cleanup_fd_ int dir = pool_dir_open(pool_fd, POOL_SANDBOXES);

	if (dir == -ENOENT || (dir >= 0 && (unlinkat(dir, id, 0) == 0 || errno == ENOENT)))
		return 0;
	return error_errno(err, dir < 0 ? dir : errno, "forget sandbox %.64s", id);
}

uint64_t record_boot(void)
{
	_cleanup_free_ char *text = NULL;
	uint64_t boot = 0;
	unsigned digits = 0;
	size_t len;

	if (file_read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 128, &text, &len) < 0)
		return 0;
	for (size_t i = 0; i < len && digits < 16; i++) {
		const char *digit = strchr("0123456789abcdef", text[i]);

		if (text[i] && digit) {
			boot = boot << 4 | (uint64_t)(digit - "0123456789abcdef");
			digits++;
		}
	}
	return boot;
}

uint64_t record_mgr(void)
{
	struct stat st;

	/* Made anew by each sysbox-mgr: on a tmpfs its inode and birth tell one from the other. */
	if (stat(MGR_SOCKET, &st) < 0)
		return 0;
	return ((uint64_t)st.st_ctim.tv_sec * 1000000000U + (uint64_t)st.st_ctim.tv_nsec) ^
	       ((uint64_t)st.st_ino << 48);
}

bool record_is_running(const struct record *record)
{
	return record->running && record->boot == record_boot();
}
