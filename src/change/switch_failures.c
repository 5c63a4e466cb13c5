#include "change/switch_failures.h"

#include "base/digest.h"

#define NOTE CACHE_DIR "/kubelet-switch.json"

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

unsigned switch_failures(const struct host *host, const json_t *want)
{
	_cleanup_json_ json_t *note = NULL;
	_cleanup_free_ char *text = NULL;
	char digest[DIGEST_HEX_MAX];
	const char *noted;
	size_t len = 0;

	if (host_read(host, NOTE, 4096, &text, &len) < 0 || json_parse(text, len, NOTE, &note, NULL) < 0 ||
	    digest_of(want, digest) < 0)
		return 0;
	noted = json_get_string(note, "move");
	return noted && strcmp(noted, digest) == 0 ? (unsigned)json_get_int(note, "times", 0) : 0;
}

int switch_failures_add(const struct host *host, const json_t *want, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644 };
	_cleanup_free_ char *text = NULL;
	char digest[DIGEST_HEX_MAX];
	int r = digest_of(want, digest);

	if (r == 0)
		text = xasprintf("{\"move\": \"%s\", \"times\": %u}\n", digest, switch_failures(host, want) + 1);
	if (!text)
		return error_errno(err, ENOMEM, "note that the kubelet was moved back");
	r = host_mkdirs(host, CACHE_DIR, 0755, NULL, err);
	return r < 0 ? r : host_write(host, NOTE, text, strlen(text), &attrs, err);
}

int switch_failures_forget(const struct host *host, struct error *err)
{
	return host_remove(host, NOTE, err);
}
