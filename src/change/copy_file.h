/* A program or another file of any size put in its place: streamed, never held in memory. */
#ifndef CHANGE_COPY_FILE_H
#define CHANGE_COPY_FILE_H

#include "host/host.h"

/*
 * What `from` holds from its offset on becomes `target`, root's, with that mode; its parents are
 * made. Beside it first, synced and renamed, so that it is whole at each moment (and has the
 * security label of its directory). Fault points "copy:temp", "copy:rename", "copy:done".
 */
int copy_file_put(const struct host *host, int from, const char *target, mode_t mode,
		  struct error *err);

#endif
