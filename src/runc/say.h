/* How a runtime says that it failed: a line on standard error, and one in the file named by --log. */
#ifndef RUNC_SAY_H
#define RUNC_SAY_H

#include "runc/command_line.h"

/* A JSON object, or with --log-format text a line as runc's. Engines show the last one's message. */
void say_error(const struct command_line *line, const char *message);

/* Into the log alone: what went wrong beside a verb that goes on. */
void say_warning(const struct command_line *line, const char *message);

#endif
