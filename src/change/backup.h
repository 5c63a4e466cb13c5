/*
 * Old contents, kept by their SHA-256 in /var/lib/berth/journal/backup until uninstall.
 */
#ifndef CHANGE_BACKUP_H
#define CHANGE_BACKUP_H

#include "base/digest.h"
#include "host/host.h"

/* Keep the bytes (once for equal content), fsynced before it returns. */
int backup_put(const struct host *host, const void *data, size_t len,
	       char ret_sha256[static DIGEST_HEX_MAX], struct error *err);

/* The bytes of a digest, checked against it: -EBADMSG when the store was damaged. free() ret_data. */
int backup_get(const struct host *host, const char *sha256, char **ret_data, size_t *ret_len,
	       struct error *err);

#endif
