#include "runc/command_line.h"

/* Options that take a word, of runc, sysbox-runc and crun; with where to keep it, if anywhere. */
static const struct option_row {
	const char *name;
	ptrdiff_t offset;
} GLOBAL[] = {
	{ "--root", offsetof(struct command_line, root) },
	{ "--log", offsetof(struct command_line, log) },
	{ "--log-format", offsetof(struct command_line, log_format) },
	{ "--log-level", -1 },
	{ "--criu", -1 },
	{ "--rootless", -1 },
	{ "--cgroup-manager", -1 },
	{ NULL, 0 },
}, LOCAL[] = {
	{ "--bundle", offsetof(struct command_line, bundle) },
	{ "-b", offsetof(struct command_line, bundle) },
	{ "--config", -1 },
	{ "-f", -1 },
	{ "--console-socket", -1 },
	{ "--pid-file", -1 },
	{ "--pidfd-socket", -1 },
	{ "--preserve-fds", -1 },
	{ NULL, 0 },
}, NONE[] = {
	{ NULL, 0 },
};

static void keep(struct command_line *line, const struct option_row *row, const char *value)
{
	if (row->offset >= 0)
		*(const char **)((char *)line + row->offset) = value;
}

/* One option at `arg`; how many words it is. Go's flags also come with a single dash. */
static int read_option(struct command_line *line, const struct option_row *rows, char **arg)
{
	const char *text = *arg;
	size_t len = strcspn(text, "=");

	for (const struct option_row *row = rows; row->name; row++) {
		const char *name = row->name;
		bool same = strlen(name) == len && strncmp(text, name, len) == 0;

		if (!same && text[1] != '-' && name[1] == '-')
			same = strlen(name) == len + 1 && strncmp(text, name + 1, len) == 0;
		if (!same)
			continue;
		if (text[len] == '=') {
			keep(line, row, text + len + 1);
			return 1;
		}
		if (!arg[1])
			return 1;
		keep(line, row, arg[1]);
		return 2;
	}
	return 1;
}

/* The options of these verbs that are looked at; -f is delete's --force and create's --config. */
static const struct option_row *options_of(const char *verb)
{
	return strcmp(verb, "create") == 0 ? LOCAL : NONE;
}

struct command_line command_line_read(char **argv)
{
	struct command_line line = { 0 };
	const struct option_row *rows = GLOBAL;

	for (char **arg = argv[0] ? argv + 1 : argv; *arg;) {
		if (**arg == '-' && (*arg)[1]) {
			arg += read_option(&line, rows, arg);
		} else if (!line.verb) {
			line.verb = *arg++;
			rows = options_of(line.verb);
		} else {
			line.id = *arg;
			break;
		}
	}
	return line;
}
