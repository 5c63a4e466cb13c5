/* Units that somebody has masked: a decision, which an agent respects and a person is told of. */
#ifndef CHANGE_MASKED_H
#define CHANGE_MASKED_H

#include "host/host.h"

/*
 * By its file, as systemd finds it (`systemctl mask` with and without --runtime): a link to /dev/null, or an empty file.
 * Nothing is run for that.
 */
bool masked_is(const struct host *host, const char *unit);

/* Which mask keeps `unit` from starting: its own, or that of one without which it does not start. NULL: none. Borrowed. */
const char *masked_part(const struct host *host, const char *unit);

#endif
