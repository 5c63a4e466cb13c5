/* apt's lists of packages: whether there are any, fetching them, and once more when they are
 * damaged. */
#ifndef CHANGE_APT_LISTS_H
#define CHANGE_APT_LISTS_H

#include "change/change.h"

/* Has apt any list at all? A fresh cloud image has none, a bundle's own folder neither. */
bool apt_has_lists(const struct change_context *ctx);

/*
 * `apt-get update`. *ret_whole: every server answered, so what apt still does not find either does
 * not exist or stands in a damaged list.
 */
int apt_update(struct change_context *ctx, bool *ret_whole, struct error *err);

/*
 * Forget all lists and fetch them anew. A power cut may leave some short or empty; apt takes them
 * for whole until its server has newer ones, as it compares nothing but the server's signed index
 * with the one it has [tried: apt 2.6 and 3.0].
 */
int apt_update_afresh(struct change_context *ctx, struct error *err);

/* The version that apt would install: package_manager.h, candidate. */
int apt_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err);

#endif
