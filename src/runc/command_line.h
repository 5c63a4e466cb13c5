/*
 * What an engine asks a runtime for, as runc's command line has it:
 *
 *     [global options] VERB [options] ID [...]
 *
 * Read and never changed. Of options only those that take a word must be known, so as not to take that
 * word for the verb or the id; all others are switches, or bring their value behind '='.
 */
#ifndef RUNC_COMMAND_LINE_H
#define RUNC_COMMAND_LINE_H

#include "base/macros.h"

struct command_line {
	const char *verb;	/* NULL: none, as in --version */
	const char *id;		/* NULL: none */
	const char *root;	/* --root, NULL: the runtime's own default */
	const char *log;	/* --log */
	const char *log_format; /* --log-format */
	const char *bundle;	/* create's --bundle */
};

struct command_line command_line_read(char **argv);

#endif
