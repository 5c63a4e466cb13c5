#include "host/unit_files.h"

#include "base/strbuf.h"

#define FILE_CAP ((size_t)1 << 20)

/* An odd number of backslashes at its end: the line goes on. */
static bool goes_on(const char *line, size_t len)
{
	size_t n = 0;

	while (n < len && line[len - n - 1] == '\\')
		n++;
	return n % 2;
}

/*
 * The next logical line, as systemd reads it: continued ones less their leading blanks, joined by one, comments between
 * them left out. false: no more.
 */
static bool next_line(const char **text, struct strbuf *ret)
{
	bool more = true;

	strbuf_reset(ret);
	if (!**text)
		return false;
	while (more && **text) {
		const char *line = *text + strspn(*text, " \t"), *end = strchrnul(line, '\n');
		size_t len = (size_t)(end - line);

		*text = *end ? end + 1 : end;
		if (len && (*line == '#' || *line == ';')) {
			more = ret->len > 0;
			continue;
		}
		more = goes_on(line, len);
		strbuf_add(ret, line, more ? len - 1 : len);
		if (more)
			strbuf_putc(ret, ' ');
	}
	return true;
}

void unit_command_release(struct unit_command *command)
{
	free(command->text);
	*command = UNIT_COMMAND_INIT;
}

static int take_value(struct unit_command *command, const char *value)
{
	free(command->text);
	command->text = NULL;
	command->lines++;
	if (!*value) {
		command->count = 0;
		return 0;
	}
	command->count++;
	command->text = strdup(value);
	return command->text ? 0 : -ENOMEM;
}

/* Behind "ExecStart" and any blanks; NULL: another key. */
static const char *value_of(const char *line)
{
	static const char KEY[] = "ExecStart";
	const char *equals = line + sizeof(KEY) - 1;

	if (strncmp(line, KEY, sizeof(KEY) - 1) != 0)
		return NULL;
	equals += strspn(equals, " \t");
	return *equals == '=' ? equals + 1 + strspn(equals + 1, " \t") : NULL;
}

int unit_command_add(struct unit_command *command, const char *text)
{
	_cleanup_(strbuf_release) struct strbuf line = STRBUF_INIT;
	bool inside = false;
	int r = 0;

	while (r == 0 && next_line(&text, &line)) {
		const char *value;

		while (line.len && strchr(" \t\r", line.data[line.len - 1]))
			line.data[--line.len] = '\0';
		if (!line.len)
			continue;
		if (*line.data == '[')
			inside = strcmp(line.data, "[Service]") == 0;
		value = inside ? value_of(line.data) : NULL;
		if (value)
			r = take_value(command, value);
	}
	return r < 0 || strbuf_failed(&line) ? -ENOMEM : 0;
}

/* "FragmentPath=PATH\nDropInPaths=PATH PATH...\n", in the order in which they count. */
static int paths_of(const struct host *host, const char *unit, struct strv *ret, struct error *err)
{
	const char *const argv[] = { "systemctl", "show", "--property=FragmentPath", "--property=DropInPaths", unit, NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 20000 };
	_cleanup_free_ char *drop_ins = NULL;
	char *save = NULL, *line;
	int r = host_check(host, argv, &options, &result, err);

	if (r < 0)
		return r;
	if (!result.out.data)
		return 0;
	for (line = strtok_r(result.out.data, "\n", &save); line && r == 0; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "FragmentPath=/", 14) == 0)
			r = strv_add(ret, line + 13);
		else if (strncmp(line, "DropInPaths=/", 13) == 0)
			drop_ins = strdup(line + 12);
	}
	for (line = drop_ins ? strtok_r(drop_ins, " ", &save) : NULL; line && r == 0; line = strtok_r(NULL, " ", &save))
		r = strv_add(ret, line);
	return r < 0 ? error_errno(err, r, "ask for the files of %s", unit) : 0;
}

static const char *file_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* What that file says, kept in `command`. -EEXIST: it would have the last word, behind `own`. */
static int take_path(const struct host *host, const char *path, const char *own, bool is_drop_in,
		     struct unit_command *command, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	bool behind = own && is_drop_in && strcmp(file_of(path), file_of(own)) > 0;
	size_t before = command->lines;
	int r = 0;

	if (!own || strcmp(path, own) != 0)
		r = host_read(host, path, FILE_CAP, &text, NULL);
	if (r == 0 && text)
		r = unit_command_add(command, text);
	/* Ours may be gone, and systemd not have noticed. */
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, r, "read '%s'", path);
	if (!behind || command->lines == before)
		return 0;
	return error_set(err, EEXIST, "'%s' sets ExecStart= behind '%s', and would have the last word: rename it, to come before",
			 path, own);
}

int unit_exec_start(const struct host *host, const char *unit, const char *own, char **ret, struct error *err)
{
	_cleanup_(strv_release) struct strv paths = STRV_INIT;
	_cleanup_(unit_command_release) struct unit_command command = UNIT_COMMAND_INIT;
	int r = paths_of(host, unit, &paths, err);

	strv_foreach (&paths, i, path) {
		if (r == 0)
			r = take_path(host, path, own, i > 0, &command, err);
	}
	if (r == 0 && !command.text)
		r = error_set(err, ENOENT, "%s has no ExecStart= in its files", unit);
	else if (r == 0 && command.count > 1)
		r = error_set(err, EINVAL, "%s has %zu commands in ExecStart=, not one", unit, command.count);
	if (r == 0) {
		*ret = command.text;
		command.text = NULL;
	}
	return r;
}
