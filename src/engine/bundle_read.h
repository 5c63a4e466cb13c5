/*
 * A bundle's bytes, read in order and held against its manifest: what verify and extract share.
 */
#ifndef ENGINE_BUNDLE_READ_H
#define ENGINE_BUNDLE_READ_H

#include "base/progress.h"
#include "engine/bundle_manifest.h"

struct bundle_reader {
	char *path;
	int fd;
	uint64_t size; /* of the file */
	char *text;    /* the manifest's */
	size_t text_len;
	struct bundle_manifest manifest;
};

#define BUNDLE_READER_INIT ((struct bundle_reader){ .fd = -EBADF })

/* Open, read the manifest, and see that the file's size is what follows from it. */
int bundle_reader_open(const char *path, struct bundle_reader *ret, struct error *err);
void bundle_reader_release(struct bundle_reader *reader);

/* Where a file's bytes shall go: a descriptor, closed by the reader, or -errno. */
typedef int (*bundle_open_fn)(void *userdata, const struct bundle_file *file, struct error *err);

/*
 * From the first byte to the last, every one checked. `open_file` may be NULL (only check); what it
 * opened is synced. May be called again.
 */
int bundle_reader_walk(const struct bundle_reader *reader, bundle_open_fn open_file, void *userdata,
		       const struct progress *progress, struct error *err);

/* The text of manifest.sha256 for a manifest's text. */
#define BUNDLE_CHECKSUM_LEN (DIGEST_HEX_MAX - 1 + 2 + sizeof(BUNDLE_MANIFEST))
void bundle_checksum_text(const char *manifest, size_t len,
			  char ret[static BUNDLE_CHECKSUM_LEN + 1]);

#endif
