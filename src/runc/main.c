/*
 * berth-runc: the OCI runtime that engines call in the real one's place.
 *
 * It passes every verb on by one execve: argv, environment, descriptors, working directory and signals
 * untouched. Before two of them it does something first (sandbox/verbs.h), and after `delete`, which it therefore
 * waits for (child.h). It needs nothing else of
 * berth to run, no network and no memory of itself. Which program is the real runtime is said by
 * /etc/berth/runc.conf.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "runc/child.h"
#include "runc/command_line.h"
#include "runc/say.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/verbs.h"

#define FAILED 1 /* what runtimes exit with */

/* Where the runtime has its state: as runc, sysbox-runc and crun have it by default. */
static const char *root_of(const struct settings *settings, const struct command_line *line,
			   char buf[static PATH_MAX])
{
	const char *slash = strrchr(settings->runtime, '/');

	if (line->root)
		return line->root;
	(void)snprintf(buf, PATH_MAX, "/run/%s", slash ? slash + 1 : settings->runtime);
	return buf;
}

static int before_create(const struct settings *settings, const struct command_line *line,
			 struct error *err)
{
	char path[PATH_MAX], root[PATH_MAX];

	/* Relative to the working directory, and that one by itself where nothing is said. */
	if (!realpath(line->bundle ? line->bundle : ".", path))
		return 0; /* for the runtime to say */
	return verb_create(settings, root_of(settings, line, root), line->id, path, err);
}

static int before_start(const struct settings *settings, const struct command_line *line,
			struct error *err)
{
	char root[PATH_MAX];

	return verb_start(settings, root_of(settings, line, root), line->id, err);
}

static const struct verb {
	const char *name;
	int (*before)(const struct settings *settings, const struct command_line *line, struct error *err);
	bool goes_on; /* the runtime's work is not kept up by what went wrong here */
} VERBS[] = {
	{ "create", before_create, false },
	{ "start", before_start, false },
	{ "delete", NULL, true },
};

/* 0, or FAILED where the runtime must not run. */
static int before(const struct settings *settings, const struct command_line *line)
{
	for (size_t i = 0; line->verb && i < ARRAY_SIZE(VERBS); i++) {
		char message[sizeof(((struct error *)NULL)->message) + 100];
		struct error err = ERROR_INIT;

		if (strcmp(VERBS[i].name, line->verb) != 0 || !line->id)
			continue;
		if (!sandbox_id_valid(line->id))
			(void)error_set(&err, EINVAL, "no budget can be kept for an id of this kind: letters, digits and "
					"'_+-.', no dot in front, fewer than 200 of them");
		else if (!VERBS[i].before || VERBS[i].before(settings, line, &err) >= 0)
			continue;
		(void)snprintf(message, sizeof(message), "%s %.64s: %s", line->verb, line->id, err.message);
		if (!VERBS[i].goes_on) {
			say_error(line, message);
			return FAILED;
		}
		say_warning(line, message);
	}
	return 0;
}

/* Does the verb begin a sandbox, which must not be without a budget? */
static bool makes_one(const struct command_line *line)
{
	static const char *const VERBS_THAT_DO[] = { "create", "start", "run", "restore" };

	for (size_t i = 0; line->verb && i < ARRAY_SIZE(VERBS_THAT_DO); i++) {
		if (strcmp(line->verb, VERBS_THAT_DO[i]) == 0)
			return true;
	}
	return false;
}

static bool is_delete(const struct command_line *line)
{
	return line->verb && strcmp(line->verb, "delete") == 0 && line->id && sandbox_id_valid(line->id);
}

/* A runtime that was refused (a container that runs, without --force), or failed half-way, still has it. */
static bool is_gone(const struct settings *settings, const struct command_line *line, int status)
{
	char root[PATH_MAX], state[PATH_MAX];
	struct stat st;
	int n = snprintf(state, sizeof(state), "%s/%s", root_of(settings, line, root), line->id);

	return status == 0 || (n > 0 && (size_t)n < sizeof(state) && lstat(state, &st) < 0 && errno == ENOENT);
}

/* The one verb that is waited for: only when the runtime has let go of a container is its budget free of it. */
static int run_delete(const struct settings *settings, const struct command_line *line, char **argv)
{
	char message[sizeof(((struct error *)NULL)->message) + 100];
	struct error err = ERROR_INIT;
	int status;

	if (child_run(settings->runtime, argv, &status, &err) < 0) {
		(void)error_context(&err, "run the real runtime '%s' (%s)", settings->runtime, SETTINGS_PATH);
		say_error(line, err.message);
		return FAILED;
	}
	if (is_gone(settings, line, status) && verb_delete(settings, line->id, &err) < 0) {
		(void)snprintf(message, sizeof(message), "delete %.64s: %s", line->id, err.message);
		say_warning(line, message);
	}
	return child_end_as(status);
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct settings settings;
	struct error err = ERROR_INIT;

	if (argc < 1)
		return FAILED;
	line = command_line_read(argv);
	if (settings_read(SETTINGS_PATH, &settings, &err) < 0) {
		say_error(&line, err.message);
		if (makes_one(&line))
			return FAILED;
		settings = settings_default(); /* what runs can be looked at and ended all the same */
	} else if (before(&settings, &line) != 0) {
		return FAILED;
	} else if (is_delete(&line)) {
		return run_delete(&settings, &line, argv);
	}
	execv(settings.runtime, argv);
	error_errno(&err, errno, "run the real runtime '%s' (%s)", settings.runtime, SETTINGS_PATH);
	say_error(&line, err.message);
	return FAILED;
}
