/*
 * ustar archives, the plain kind: files and directories of root, time 0, so that the same content
 * always gives the same bytes. Names of up to 255 bytes where a "/" stands in the right place for
 * the format's two fields, else 100; files below 8 GiB.
 */
#ifndef ENGINE_TAR_H
#define ENGINE_TAR_H

#include <sys/types.h>

#include "base/strbuf.h"

#define TAR_BLOCK    512
#define TAR_NAME_MAX 257
#define TAR_END	     ((size_t)2 * TAR_BLOCK) /* zeros behind the last member */

enum tar_type { TAR_FILE = '0', TAR_DIR = '5' };

struct tar_entry {
	char name[TAR_NAME_MAX];
	enum tar_type type;
	mode_t mode;
	uint64_t size;
};

/* One member's header. -EINVAL: no or an absolute name; -ENAMETOOLONG, -EFBIG: beyond the format.
 */
int tar_header(const char *name, enum tar_type type, mode_t mode, uint64_t size,
	       unsigned char ret_block[static TAR_BLOCK]);

/* The reverse, for headers as tar_header makes them or another ustar does. -EBADMSG: not one. */
int tar_parse_header(const unsigned char block[static TAR_BLOCK], struct tar_entry *ret);

/* Zeros between so many bytes of a member and the next header. */
static inline size_t tar_padding(uint64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}

/* Add a member, or the end, to an archive in memory. Errors as tar_header, and -ENOMEM. */
int tar_add_file(struct strbuf *tar, const char *name, const void *data, size_t len, mode_t mode);
int tar_add_dir(struct strbuf *tar, const char *name, mode_t mode);
int tar_add_end(struct strbuf *tar);

#endif
