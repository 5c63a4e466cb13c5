#include "command.h"
#include "options.h"

#include <string.h>

#define DEFAULT_ROOT "/run/sysbox-runc"

enum { OPT_ROOT, OPT_LOG, OPT_LOG_FORMAT, OPT_VERSION, OPT_V, OPT_SYSBOX };

static const struct option_row globals[] = {
	[OPT_ROOT] = { "root", true },
	[OPT_LOG] = { "log", true },
	[OPT_LOG_FORMAT] = { "log-format", true },
	[OPT_VERSION] = { "version", false },
	[OPT_V] = { "v", false },
	/* From here on: not for runc. */
	[OPT_SYSBOX] = { "no-sysbox-fs", false },
	{ "no-sysbox-mgr", false },
	{ "no-kernel-check", false },
	{ "cpu-profiling", false },
	{ "memory-profiling", false },
	{ NULL, false },
};

enum { OPT_BUNDLE, OPT_B, OPT_PROCESS, OPT_P };

/* Of all verbs: no short name means two things. */
static const struct option_row verb_options[] = {
	[OPT_BUNDLE] = { "bundle", true },
	[OPT_B] = { "b", true },
	[OPT_PROCESS] = { "process", true },
	[OPT_P] = { "p", true },
	{ "console-socket", true },
	{ "pid-file", true },
	{ "preserve-fds", true },
	{ "user", true },
	{ "u", true },
	{ "env", true },
	{ "e", true },
	{ "cwd", true },
	{ "additional-gids", true },
	{ "g", true },
	{ "cap", true },
	{ "c", true },
	{ "apparmor", true },
	{ "process-label", true },
	{ "cgroup", true },
	{ "format", true },
	{ NULL, false },
};

static void take_words(struct command *to, char *argv[], int words)
{
	for (int i = 0; i < words; i++)
		to->argv[to->argc++] = argv[i];
	to->argv[to->argc] = NULL;
}

static int parse_globals(char *argv[], struct command *ret)
{
	int i = 1;

	while (argv[i]) {
		struct option_hit hit = option_read(globals, argv, i);

		if (hit.row == -2)
			break;
		if (hit.row == OPT_ROOT)
			ret->root = hit.value;
		else if (hit.row == OPT_LOG)
			ret->log = hit.value;
		else if (hit.row == OPT_LOG_FORMAT)
			ret->log_json = hit.value && strcmp(hit.value, "json") == 0;
		else if (hit.row == OPT_VERSION || hit.row == OPT_V)
			ret->version = true;
		if (hit.row < OPT_SYSBOX)
			take_words(ret, argv + i, hit.words);
		i += hit.words;
	}
	return i;
}

/* `root`'s place is before the verb, and a set one wins. */
static void add_default_root(struct command *ret)
{
	static char option[] = "--root", root[] = DEFAULT_ROOT;
	char *words[] = { option, root };

	if (ret->root)
		return;
	ret->root = root;
	take_words(ret, words, 2);
}

static void parse_verb(char *argv[], int i, struct command *ret)
{
	ret->verb = argv[i];
	take_words(ret, argv + i, 1);
	for (i++; argv[i];) {
		struct option_hit hit = option_read(verb_options, argv, i);

		/* Behind the id stands the command of `exec`. */
		if (hit.row == -2) {
			ret->id = argv[i];
			break;
		}
		take_words(ret, argv + i, hit.words);
		if (hit.row == OPT_BUNDLE || hit.row == OPT_B)
			ret->bundle = hit.value;
		else if ((hit.row == OPT_PROCESS || hit.row == OPT_P) && hit.words == 2)
			ret->process_word = ret->argc - 1;
		i += hit.words;
	}
	while (argv[i])
		take_words(ret, argv + i++, 1);
}

void command_parse(int argc, char *argv[], struct command *ret)
{
	static char runc[] = "runc";
	int i;

	*ret = (struct command){ .process_word = -1 };
	ret->argv = calloc((size_t)argc + 4, sizeof(*ret->argv));
	if (!ret->argv)
		abort();
	ret->argv[ret->argc++] = runc;
	i = parse_globals(argv, ret);
	add_default_root(ret);
	if (argv[i])
		parse_verb(argv, i, ret);
}
