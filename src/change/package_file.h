/*
 * A package file of known content: downloaded to berth's cache, or on the host already. What kinds
 * that take one ("packages", "unpack") have of it in their `want`:
 * {"package", "version", "url", "file", "sha256", "path"}.
 */
#ifndef CHANGE_PACKAGE_FILE_H
#define CHANGE_PACKAGE_FILE_H

#include "change/change.h"

struct package_file {
	const char *package, *version; /* what it installs */
	const char *url;	       /* with `sha256`: downloaded */
	const char *file;	       /* else a path on the host, "" where it is downloaded */
	const char *sha256;	       /* "" where a `file` has none */
};

/* NULL without memory. */
json_t *package_file_want(const struct package_file *file);

/* "+ sysbox-ce 0.7.1 from https://... (SHA-256 9d6d5484f980d0a1...)" */
void package_file_describe(const json_t *want, struct strbuf *out);

/* Have it at `path`, with the right digest. -EBADMSG: another or a damaged file. */
int package_file_get(struct change_context *ctx, const json_t *want, struct error *err);

/* The value of "Name: value" at the beginning of a line, of one package's fields; NULL: none. free() it. */
char *package_field(const char *text, const char *name);

/*
 * By dpkg: is the file there a whole Debian package, of that name and of a version that begins with `version` ("1.34" is
 * of "1.34.0-1.1")? -EBADMSG: it is not.
 */
int package_file_check(struct change_context *ctx, const json_t *want, struct error *err);

#endif
