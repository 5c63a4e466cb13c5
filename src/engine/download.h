/*
 * Get one file of known SHA-256, over troubled lines too.
 *
 * The bytes go to DEST.part, which is continued after any break, also of an earlier process: the
 * server is asked for the rest on the condition that its file is still the same (If-Range with the
 * ETag or date kept in DEST.part.from); one that sends all again is taken from the beginning.
 * Connection troubles, 408, 429 and 5xx are tried again with growing, jittered pauses (a
 * Retry-After up to a minute is respected), other refusals are not. What came is hashed, synced and
 * renamed to DEST only when it is right; a wrong one is removed, after one more try from the start
 * if part of it came from an earlier attempt. Nothing above DOWNLOAD_CAP is taken.
 *
 * file:///path URLs are copied from the host. http and https as engine/http.h does them, with the
 * environment's proxies. Messages have the URL without credentials and query.
 */
#ifndef ENGINE_DOWNLOAD_H
#define ENGINE_DOWNLOAD_H

#include "base/progress.h"
#include "host/host.h"

#define DOWNLOAD_CAP	    ((uint64_t)1 << 30)
#define DOWNLOAD_TIMEOUT_MS ((uint64_t)30 * 60 * 1000)

/*
 * `dest_path`: absolute host path in a directory that exists; one that already has the digest is
 * done at once, any other file there is replaced. `timeout_ms` bounds it all, pauses included (0:
 * DOWNLOAD_TIMEOUT_MS). -EBADMSG: another SHA-256 than expected (both are named); -ENOENT, -EACCES:
 * the server does not have it or give it; -EIO: its failure (5xx) outlasted the tries; -EFBIG: too
 * large; -ENOSPC: no room (the part is removed); -EINVAL, -EPROTONOSUPPORT: URL; and those of
 * engine/http.h.
 */
int download_file(const struct host *host, const char *url, const char *sha256,
		  const char *dest_path, uint64_t timeout_ms, const struct progress *progress,
		  struct error *err);

#endif
