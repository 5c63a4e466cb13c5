/* Whether a CRI-O that runs is to be restarted. */
#ifndef CHANGE_CRIO_RESTART_H
#define CHANGE_CRIO_RESTART_H

#include "change/change.h"

/* Its process has a file that has no name any more: another is in its place. */
bool crio_runs_removed_file(struct change_context *ctx, const char *unit);

#endif
