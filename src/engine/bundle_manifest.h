/*
 * The list of what is in a bundle: its first member, manifest.json.
 *
 *	{"berth-bundle": 1, "suite": "bookworm", "arch": "amd64", "created_by": "berth 0.1.0",
 *	 "files": [{"name": "x.deb", "size": 123, "sha256": "...", "role": "deb"}, ...]}
 *
 * Files are in the order of their names, each once; names are plain ones (letters, digits and
 * "._+~%:=@-", no leading dot, 100 bytes at the most), never paths. Unknown keys are ignored, a
 * format number above BUNDLE_FORMAT is refused.
 */
#ifndef ENGINE_BUNDLE_MANIFEST_H
#define ENGINE_BUNDLE_MANIFEST_H

#include "base/digest.h"
#include "base/strbuf.h"

#define BUNDLE_FORMAT	    1
#define BUNDLE_MANIFEST	    "manifest.json"
#define BUNDLE_CHECKSUM	    "manifest.sha256"
#define BUNDLE_MANIFEST_CAP ((size_t)2 << 20)
#define BUNDLE_FILES_MAX    4096
#define BUNDLE_FILE_CAP	    ((uint64_t)1 << 30)
#define BUNDLE_NAME_MAX	    100

enum bundle_role {
	BUNDLE_DEB,    /* a package of the distribution */
	BUNDLE_SYSBOX, /* the Sysbox package */
	BUNDLE_ROLES,
};

struct bundle_file {
	char *name;
	uint64_t size; /* bytes */
	char sha256[DIGEST_HEX_MAX];
	enum bundle_role role;
};

struct bundle_manifest {
	char *suite;
	char *arch;
	char *created_by;
	struct bundle_file *files;
	size_t file_count;
};

#define BUNDLE_MANIFEST_INIT ((struct bundle_manifest){ 0 })
void bundle_manifest_release(struct bundle_manifest *manifest);

/* Text from outside. -EINVAL with what is wrong; -EPROTONOSUPPORT: a newer berth's. */
int bundle_manifest_parse(const char *text, size_t len, struct bundle_manifest *ret,
			  struct error *err);

/* The text of a manifest: the same manifest, the same bytes. */
int bundle_manifest_format(const struct bundle_manifest *manifest, struct strbuf *out);

/* Put the files in their order; -EEXIST: two of one name. */
int bundle_manifest_sort(struct bundle_manifest *manifest, struct error *err);

bool bundle_name_valid(const char *name);

/* "bookworm", "amd64": lower-case letters, digits and "._-". */
bool bundle_word_valid(const char *word);

#endif
