#include "change/backup.h"

#include "change/change.h"

#define BACKUP_CAP ((size_t)64 << 20)

int backup_put(const struct host *host, const void *data, size_t len,
	       char ret_sha256[static DIGEST_HEX_MAX], struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0600 };
	_cleanup_free_ char *path = NULL;
	int r = host_mkdirs(host, BACKUP_DIR, 0700, NULL, err);

	if (r < 0)
		return r;
	digest_hex(data, len, ret_sha256);
	path = xasprintf("%s/%s", BACKUP_DIR, ret_sha256);
	if (!path)
		return error_errno(err, ENOMEM, "keep a backup");
	if (host_exists(host, path))
		return 0;
	return host_write(host, path, data, len, &ATTRS, err);
}

int backup_get(const struct host *host, const char *sha256, char **ret_data, size_t *ret_len,
	       struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", BACKUP_DIR, sha256);
	_cleanup_free_ char *data = NULL;
	char actual[DIGEST_HEX_MAX];
	int r;

	if (!path || !digest_valid(sha256))
		return error_set(err, EINVAL, "'%.80s' is not the name of a backup", sha256);
	r = host_read(host, path, BACKUP_CAP, &data, ret_len);
	if (r < 0)
		return error_errno(err, r, "read the backup '%s'", path);
	digest_hex(data, *ret_len, actual);
	if (strcmp(actual, sha256) != 0)
		return error_set(err, EBADMSG, "the backup '%s' is damaged: its content is not what "
				 "its name says", path);
	*ret_data = TAKE_PTR(data);
	return 0;
}
