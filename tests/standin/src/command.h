/* The command line of an OCI runtime as Docker, containerd and people write it. */
#ifndef STANDIN_COMMAND_H
#define STANDIN_COMMAND_H

#include "common.h"

struct command {
	/* For the real runc: without what only Sysbox knows, and with its default for --root. */
	char **argv;
	int argc;
	bool version;
	const char *root;
	const char *log;
	bool log_json;
	/* NULL when there is none. */
	const char *verb;
	const char *bundle;
	const char *id;
	/* The word in argv that names the file of `exec --process`, or -1. */
	int process_word;
};

/* The strings are those of argv; exits when memory is out. */
void command_parse(int argc, char *argv[], struct command *ret);

#endif
