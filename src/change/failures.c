#include "change/failures.h"

#include "base/digest.h"

/* free() it. */
static char *note_of(const struct change_kind *kind)
{
	return xasprintf(CACHE_DIR "/%s.json", kind->name);
}

/* Of how it was to be done, not of whether it has been in part. */
static int digest_of(const json_t *want, char ret[static DIGEST_HEX_MAX])
{
	_cleanup_json_ json_t *move = json_copy((json_t *)(uintptr_t)want);
	_cleanup_free_ char *text = NULL;

	(void)json_object_del(move, "there");
	text = json_dumps(move, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return -ENOMEM;
	digest_hex(text, strlen(text), ret);
	return 0;
}

unsigned failures(const struct host *host, const struct change_kind *kind, const json_t *want)
{
	_cleanup_free_ char *path = note_of(kind);
	_cleanup_json_ json_t *note = NULL;
	_cleanup_free_ char *text = NULL;
	char digest[DIGEST_HEX_MAX];
	const char *noted;
	size_t len = 0;

	if (!path || host_read(host, path, 4096, &text, &len) < 0 || json_parse(text, len, path, &note, NULL) < 0 ||
	    digest_of(want, digest) < 0)
		return 0;
	noted = json_get_string(note, "move");
	return noted && strcmp(noted, digest) == 0 ? (unsigned)json_get_int(note, "times", 0) : 0;
}

int failures_add(const struct host *host, const struct change_kind *kind, const json_t *want, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_free_ char *path = note_of(kind), *text = NULL;
	char digest[DIGEST_HEX_MAX];
	int r = digest_of(want, digest);

	if (r == 0 && path)
		text = xasprintf("{\"move\": \"%s\", \"times\": %u}\n", digest, failures(host, kind, want) + 1);
	if (!text)
		return error_errno(err, ENOMEM, "note that a change was taken back");
	r = host_mkdirs(host, CACHE_DIR, 0755, NULL, err);
	return r < 0 ? r : host_write(host, path, text, strlen(text), &attrs, err);
}

int failures_forget(const struct host *host, const struct change_kind *kind, struct error *err)
{
	_cleanup_free_ char *path = note_of(kind);

	return path ? host_remove(host, path, err) : error_errno(err, ENOMEM, "forget what was taken back");
}
