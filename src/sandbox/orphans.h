/* Sandboxes that are gone and have something in the stash: since when is noted at orphans/<id>. */
#ifndef SANDBOX_ORPHANS_H
#define SANDBOX_ORPHANS_H

#include "base/error.h"

#define ORPHAN_DUE 1 /* instead of a time: nothing can ever come back for it */

/* Seconds since the epoch; 0: not noted. */
uint64_t orphan_since(int pool_fd, const char *id);
int orphan_note(int pool_fd, const char *id, uint64_t now_s, struct error *err);
int orphan_forget(int pool_fd, const char *id, struct error *err);

/* Has it waited that long? A clock that was set back makes it wait, never hurry. */
bool orphan_is_due(uint64_t since_s, uint64_t now_s, uint64_t keep_s);

#endif
