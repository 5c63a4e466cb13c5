/*
 * One run of apt-get or dpkg: their options and environment, the wait for their lock, what they say
 * while they work, and the line that tells most when they fail.
 */
#ifndef CHANGE_APT_RUN_H
#define CHANGE_APT_RUN_H

#include "change/change.h"

/* Options by which apt's programs see a bundle alone, where there is one. -ENOMEM. */
int apt_places(const struct change_context *ctx, struct strv *argv);

/*
 * apt-get `words` `items` (may be NULL). `what` begins the message of a failure, which is -EPROTO:
 * the program's own words follow. `result` is the caller's (spawn_result_release), or NULL.
 */
int apt_run(struct change_context *ctx, const char *const *words, const struct strv *items,
	    struct spawn_result *result, const char *what, struct error *err);

/* The same when nobody reads what it printed. */
int apt_run_quietly(struct change_context *ctx, const char *const *words, const struct strv *items,
		    const char *what, struct error *err);

/* dpkg with these words, argv[0] being its name. */
int apt_run_dpkg(struct change_context *ctx, const char *const *argv, const char *what,
		 struct error *err);

#endif
