/* The host's account files (passwd, group, shadow, gshadow, subuid, subgid), as the shadow tools write them. */
#ifndef CHANGE_ACCOUNTS_H
#define CHANGE_ACCOUNTS_H

#include "change/change.h"

/*
 * Hold off useradd and its like: the lock of lckpwdf(3), /etc/.pwd.lock, waited for as long as it waits. close() lets go.
 * A descriptor; -EAGAIN: somebody else has held it all the time.
 */
int accounts_lock(const struct host *host, struct error *err);

/* The lines of such a file's text: is it "NAME:..."; the one behind it, "" at the end; has the text one of that name? */
bool accounts_is_of(const char *line, const char *name);
const char *accounts_next(const char *line);
bool accounts_text_has(const char *text, const char *name);

/* The rest is for one who holds the lock. */
bool accounts_has(const struct host *host, const char *file, const char *name);
/* Drop the lines "NAME:..." of the file, which may be missing. */
int accounts_drop(const struct host *host, const char *file, const char *name, struct error *err);

#define ACCOUNTS_COUNT 6
extern const char *const ACCOUNTS_FILES[ACCOUNTS_COUNT];
/* ... and what the power leaves of one that was about to be put in place. */
extern const char *const ACCOUNTS_TEMPORARY[ACCOUNTS_COUNT];

#endif
