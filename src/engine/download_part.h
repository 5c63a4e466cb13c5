/*
 * The unfinished file of a download, DEST.part, and where it is from, DEST.part.from.
 */
#ifndef ENGINE_DOWNLOAD_PART_H
#define ENGINE_DOWNLOAD_PART_H

#include "base/digest.h"
#include "host/host.h"

struct download_part {
	const struct host *host; /* borrowed */
	char *path;
	char *from_path;
	char source[DIGEST_HEX_MAX]; /* the URL's SHA-256: it may have credentials in it */
	char *validator;	     /* for If-Range, NULL: the server gave none */
	int fd;
	uint64_t have; /* bytes in it */
};

#define DOWNLOAD_PART_INIT ((struct download_part){ .fd = -EBADF })

/* Open or make it; one that is not of this URL is emptied. */
int download_part_open(const struct host *host, const char *dest_path, const char *url,
		       struct download_part *ret, struct error *err);
void download_part_release(struct download_part *part); /* the file stays */

/* Begin from nothing with a server that gave this validator (may be NULL). */
int download_part_restart(struct download_part *part, const char *validator, struct error *err);

int download_part_add(struct download_part *part, const void *data, size_t len, struct error *err);

/* SHA-256 of all of it. */
int download_part_digest(const struct download_part *part, char ret[static DIGEST_HEX_MAX],
			 struct error *err);

/* fsync and rename to DEST, or remove; both with what was noted. */
int download_part_finish(struct download_part *part, const char *dest_path, struct error *err);
void download_part_remove(struct download_part *part);

#endif
