/*
 * Archives that apt has of an earlier download. It takes one of the right size for whole, which it may not be after a power
 * cut: then dpkg fails at it, each time.
 */
#ifndef CHANGE_APT_ARCHIVES_H
#define CHANGE_APT_ARCHIVES_H

#include "change/change.h"

/*
 * `simulated`: what `apt-get --simulate install` printed. Archives of these packages that are not what apt's lists say by
 * SHA-256 are removed, so that apt gets them anew. What cannot be told is left.
 */
int apt_archives_check(struct change_context *ctx, const char *simulated, struct error *err);

#endif
