/*
 * A bundle: all an installation without network needs, in one file.
 *
 * A plain ustar archive: manifest.json, the files it lists in its order, and manifest.sha256 (as
 * sha256sum writes it). There is exactly one right sequence of bytes for a manifest and its files;
 * anything else (missing, extra, changed, truncated, trailing) is refused. This finds accidents and
 * half downloads; who may change the whole file may change its sums too: a bundle is as trustworthy
 * as the way it came.
 *
 * `bundle_path` is a path as this process sees it, relative or absolute; sources and directories
 * are absolute host paths. Everything is streamed: memory does not grow with the files. Errors:
 * -EBADMSG: not a bundle, or not as its manifest says (the sentence has member and reason);
 * -EPROTONOSUPPORT: a newer berth's; -EINVAL: a bad manifest, name, suite or arch; and errno of
 * files.
 */
#ifndef ENGINE_BUNDLE_H
#define ENGINE_BUNDLE_H

#include "base/progress.h"
#include "engine/bundle_manifest.h"
#include "host/host.h"

struct bundle_source {
	const char *path; /* its last component is the name in the bundle */
	enum bundle_role role;
};

/* Written to BUNDLE_PATH.part, synced and renamed: there is never half a bundle of that name. */
int bundle_create(const struct host *host, const struct bundle_source *sources, size_t count,
		  const char *suite, const char *arch, const char *bundle_path,
		  const struct progress *progress, struct error *err);

/* Read all of it and check everything. `ret` may be NULL; else bundle_manifest_release() it. */
int bundle_verify(const char *bundle_path, const struct progress *progress,
		  struct bundle_manifest *ret, struct error *err);

/*
 * Verify, and only then put the files and manifest.json into `dir`: written beside it as DIR.part,
 * checked again while they are, synced and renamed, so that `dir` is there completely or not at
 * all. One that holds an earlier extraction (or nothing) is replaced; one with anything else in it
 * is -EEXIST. Progress runs from nothing to the end twice. `ret` as above.
 */
int bundle_extract(const struct host *host, const char *bundle_path, const char *dir,
		   const struct progress *progress, struct bundle_manifest *ret, struct error *err);

#endif
