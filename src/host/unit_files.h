/* The files that a unit is made of, as they were written: systemctl shows a command line without its quotes. */
#ifndef HOST_UNIT_FILES_H
#define HOST_UNIT_FILES_H

#include "host/host.h"

struct unit_command {
	char *text;   /* the last ExecStart= that was read */
	size_t count; /* of them since the last reset by an empty one */
	size_t lines; /* of ExecStart= in all, resets among them */
};

#define UNIT_COMMAND_INIT ((struct unit_command){ 0 })
void unit_command_release(struct unit_command *command);

/* One more of a unit's files, in the order in which they count. -ENOMEM. */
int unit_command_add(struct unit_command *command, const char *text);

/*
 * The value of ExecStart= that is in force, in one line, as its file has it: prefixes, quotes and $VARIABLES included.
 * `own` is the path of a drop-in that does not count, and that is to have the last word; NULL: none. -ENOENT: the unit has
 * no command; -EINVAL: more than one; -EEXIST: another drop-in has the last word. free() it.
 */
int unit_exec_start(const struct host *host, const char *unit, const char *own, char **ret, struct error *err);

#endif
