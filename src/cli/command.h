/*
 * Commands: one entry of the table (commands.c) and one file each.
 *
 * Options are declared, not parsed by hand: help, completion and the manual are made of the same table.
 */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "base/json.h"
#include "node/exit_code.h"
#include "node/node.h"

/* What the command line said; only what the command's table allows is ever set. */
struct arguments {
	const char *root, *config, *step, *bundle, *suite, *arch, *output, *sort, *filter;
	const char *older_than, *listen, *node, *log_format, *kube_folder, *unit;
	uint64_t wait_ms;
	bool json, dry_run, delete_data, journal, enter_host, quiet, help, watch, force;
	bool install_unit, quick, interrupts, repair, evict;
	int argc; /* operands */
	char **argv;
};

/* Letters of `struct command.options`: which options a command takes besides --help and --root. */
enum {
	OPT_JSON = 1,
	OPT_STEP = 2,
	OPT_DRY_RUN = 4,
	OPT_WAIT = 8,
	OPT_BUNDLE = 16,
	OPT_DELETE_DATA = 32,
	OPT_JOURNAL = 64,
	OPT_CREATE = 128, /* bundle create's --suite, --arch, --output */
	OPT_LIST = 256, /* --sort, --filter, --watch */
	OPT_FORCE = 512,
	OPT_OLDER_THAN = 1024,
	OPT_AGENT = 2048, /* --listen, --node, --log-format, --install-unit */
	OPT_CONVERGE = 4096, /* --quick, --interrupts, --repair, --unit, --evict-stranded */
};

struct command {
	const char *name;
	const char *operands; /* "[check [FILE] | show]" or "" */
	const char *summary;  /* one line */
	const char *details;  /* paragraphs of `berth help NAME` */
	unsigned options;
	bool hidden;	 /* a verb for units */
	int min, max;	 /* operands */
	int (*run)(const struct arguments *args);
};

extern const struct command commands[];
const struct command *command_find(const char *name);

int command_agent(const struct arguments *args);
int command_agent_install(const struct arguments *args); /* agent --install-unit */
int command_bundle(const struct arguments *args);
int command_config(const struct arguments *args);
int command_converge(const struct arguments *args);
int command_install(const struct arguments *args);
int command_plan(const struct arguments *args);
int command_pool(const struct arguments *args);
int command_quota(const struct arguments *args);
int command_stash(const struct arguments *args);
int command_prune(const struct arguments *args);
int command_status(const struct arguments *args);
int command_uninstall(const struct arguments *args);
int command_verify(const struct arguments *args);
int command_version(const struct arguments *args);

/* Shared by commands. */

/* Open the node the arguments name; prints the error. 0 or an exit code. */
int cli_open(const struct arguments *args, struct node *node);

/* Take the host's lock; prints who holds it. 0 or an exit code. */
int cli_lock(const struct arguments *args, struct node *node, const char *command);

/* Print an error as the last word of a command: a line, or {"error": ...} with --json. */
int cli_fail(const struct arguments *args, const struct error *err);
int cli_print_json(const json_t *value);

/* The same with the checks it failed for, in one JSON object. Returns -err->code. */
int cli_refused(const struct arguments *args, const struct report *report, const struct error *err);

void print_usage(FILE *out);
void print_command_help(const struct command *command);

#endif
