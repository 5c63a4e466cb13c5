/*
 * What berth itself has unpacked of a package, where the host's package manager cannot know it:
 * /var/lib/berth/PACKAGE.manifest, as JSON.
 *
 *   {"package", "version", "sha256": of the package file, "complete": all is in place,
 *    "files": [{"path", "sha256", "mode"}], "directories": [those made for them, outermost first]}
 *
 * Written before the first file (not complete) and behind the last. A path may be in it twice while
 * one version takes another's place.
 */
#ifndef CHANGE_MANIFEST_H
#define CHANGE_MANIFEST_H

#include "base/digest.h"
#include "base/json.h"
#include "host/host.h"

/* NULL in *ret when there is none. */
int manifest_read(const struct host *host, const char *package, json_t **ret, struct error *err);
int manifest_write(const struct host *host, const json_t *manifest, struct error *err);
int manifest_remove(const struct host *host, const char *package, struct error *err);

bool manifest_has(const json_t *manifest, const char *path, const char *sha256);

/*
 * The SHA-256 of a regular file: 1, 0 when nothing is there; -EINVAL with what it is when it is
 * something else (a symbolic link is not followed).
 */
int manifest_digest(const struct host *host, const char *path, char ret[static DIGEST_HEX_MAX],
		    struct error *err);

/* Below /etc a file belongs to the host's owner once it is there, as with any package manager. */
static inline bool manifest_is_settings(const char *path)
{
	return strncmp(path, "/etc/", 5) == 0;
}

/* Is all of it in place, as it was put there? 1, 0 or negative. */
int manifest_holds(const struct host *host, const json_t *manifest, struct error *err);

#endif
