#include "change/subid.h"

#include <inttypes.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "change/accounts.h"
#include "change/file_state.h"

#define FIRST	   ((uint64_t)100000) /* login.defs' default; below are users */
#define BEHIND_ALL ((uint64_t)1 << 32)

static const char *const FILES[] = { "/etc/subuid", "/etc/subgid" };

struct ids {
	struct file_state files[ARRAY_SIZE(FILES)];
};

static void ids_release(struct ids *ids)
{
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++)
		file_state_release(&ids->files[i]);
}

static int ids_read(const struct host *host, struct ids *ret, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(FILES); i++)
		r = file_state_read(host, FILES[i], &ret->files[i], err);
	return r;
}

static bool file_has(const struct file_state *file, const char *name)
{
	return file->data && accounts_text_has(file->data, name);
}

static uint64_t number(const char **p)
{
	uint64_t value = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		value = MIN_OF(value * 10 + (uint64_t)(**p - '0'), BEHIND_ALL);
	return value;
}

/* "NAME:FIRST:COUNT"; anything else takes nobody's place. */
static bool range_of(const char *line, uint64_t *ret_first, uint64_t *ret_end)
{
	const char *p = line + strcspn(line, ":\n");

	if (*p++ != ':')
		return false;
	*ret_first = number(&p);
	if (*p++ != ':')
		return false;
	*ret_end = *ret_first + number(&p);
	return *ret_end > *ret_first;
}

/* Where the range behind all that overlaps with the one at `first` begins; `first` when none does.
 */
static uint64_t behind_overlap(const struct ids *ids, uint64_t first)
{
	uint64_t behind = first;

	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		const char *line = ids->files[i].data ? ids->files[i].data : "";

		for (; *line; line = accounts_next(line)) {
			uint64_t from, to;

			if (range_of(line, &from, &to) && from < first + SUBID_COUNT && to > first)
				behind = MAX_OF(behind, to);
		}
	}
	return behind;
}

static int free_range(const struct ids *ids, uint64_t *ret, struct error *err)
{
	uint64_t first = FIRST;

	for (;;) {
		uint64_t next = behind_overlap(ids, first);

		if (next + SUBID_COUNT > BEHIND_ALL)
			return error_set(err, ENOSPC,
					 "there are no %d ids in a row free in /etc/subuid and "
					 "/etc/subgid: Sysbox needs them",
					 SUBID_COUNT);
		if (next == first)
			break;
		first = next;
	}
	*ret = first;
	return 0;
}

static int append(const struct host *host, const char *path, const struct file_state *now,
		  const char *name, uint64_t first, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct file_attrs attrs = { .mode = now->exists ? now->mode : 0644,
				    .uid = now->uid,
				    .gid = now->gid };

	if (now->len)
		strbuf_add(&text, now->data, now->len);
	if (now->len && now->data[now->len - 1] != '\n')
		strbuf_putc(&text, '\n');
	strbuf_printf(&text, "%s:%" PRIu64 ":%d\n", name, first, SUBID_COUNT);
	if (strbuf_failed(&text))
		return error_errno(err, ENOMEM, "write '%s'", path);
	return host_write(host, path, text.data, text.len, &attrs, err);
}

bool subid_has(const struct host *host, const char *name)
{
	_cleanup_(ids_release) struct ids ids = { 0 };

	return ids_read(host, &ids, NULL) == 0 &&
	       (file_has(&ids.files[0], name) || file_has(&ids.files[1], name));
}

/* The range that the name has in one of the files: of a run that was cut off between the two. */
static bool half_there(const struct ids *ids, const char *name, uint64_t *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		const char *line = ids->files[i].data ? ids->files[i].data : "";
		uint64_t end;

		for (; *line; line = accounts_next(line)) {
			if (accounts_is_of(line, name) && range_of(line, ret, &end))
				return true;
		}
	}
	return false;
}

int subid_add(const struct host *host, const char *name, struct error *err)
{
	_cleanup_(ids_release) struct ids ids = { 0 };
	_cleanup_fd_ int lock = accounts_lock(host, err);
	uint64_t first = 0;
	int r = lock < 0 ? lock : ids_read(host, &ids, err);

	if (r == 0 && !half_there(&ids, name, &first))
		r = free_range(&ids, &first, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(FILES); i++) {
		if (!file_has(&ids.files[i], name))
			r = append(host, FILES[i], &ids.files[i], name, first, err);
	}
	return r;
}

int subid_drop(const struct host *host, const char *name, struct error *err)
{
	_cleanup_fd_ int lock = accounts_lock(host, err);
	int r = MIN_OF(lock, 0);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(FILES); i++)
		r = accounts_drop(host, FILES[i], name, err);
	return r;
}
