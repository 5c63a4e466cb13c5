#include "host/systemd.h"

#include "base/units.h"

static const char PROPERTIES[] = "--property=Id,LoadState,ActiveState,SubState,UnitFileState,"
				 "FragmentPath,ExecStart,MainPID,NeedDaemonReload,ControlGroup";

static void unit_state_clear(struct unit_state *u)
{
	free(u->name);
	free(u->load);
	free(u->active);
	free(u->sub);
	free(u->enabled);
	free(u->fragment);
	free(u->exec_start);
	free(u->control_group);
}

void unit_states_release(struct unit_states *states)
{
	for (size_t i = 0; i < states->len; i++)
		unit_state_clear(&states->items[i]);
	free(states->items);
	*states = (struct unit_states){ 0 };
}

static void take(struct unit_state *u, const char *key, size_t key_len, const char *value)
{
	const struct {
		const char *key;
		char **field;
	} fields[] = {
		{ "LoadState", &u->load },	   { "ActiveState", &u->active },
		{ "SubState", &u->sub },	   { "UnitFileState", &u->enabled },
		{ "FragmentPath", &u->fragment }, { "ExecStart", &u->exec_start },
		{ "ControlGroup", &u->control_group },
	};
	uint64_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strlen(fields[i].key) == key_len && memcmp(key, fields[i].key, key_len) == 0) {
			free(*fields[i].field);
			*fields[i].field = strdup(value);
			return;
		}
	}
	if (key_len == 7 && memcmp(key, "MainPID", 7) == 0 && u64_parse(value, &pid) == 0)
		u->main_pid = (int)pid;
	if (key_len == 16 && memcmp(key, "NeedDaemonReload", 16) == 0)
		u->needs_reload = strcmp(value, "yes") == 0;
}

/* Blocks of KEY=VALUE lines, an empty line between two units, in the order of the arguments. */
static void parse_show(char *text, struct unit_states *states)
{
	size_t at = 0;
	char *save = text;

	while (save && *save) {
		char *line = strsep(&save, "\n");
		char *equals = strchr(line, '=');

		if (!*line)
			at++;
		else if (equals && at < states->len)
			take(&states->items[at], line, (size_t)(equals - line), equals + 1);
	}
}

int systemd_show_within(const struct host *host, const char *const *units, uint64_t timeout_ms,
			struct unit_states *ret, struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	_cleanup_(unit_states_release) struct unit_states states = { 0 };
	struct spawn_options options = { .timeout_ms = timeout_ms };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	size_t n = 0;
	int r;

	for (const char *const *u = units; *u; u++)
		n++;
	states.items = calloc(n + 1, sizeof(*states.items));
	if (!states.items || strv_add(&argv, "systemctl") || strv_add(&argv, "show") ||
	    strv_add(&argv, PROPERTIES) || strv_add(&argv, "--"))
		return error_errno(err, ENOMEM, "ask systemd");
	for (size_t i = 0; i < n; i++) {
		states.items[i].name = strdup(units[i]);
		states.len = i + 1;
		if (!states.items[i].name || strv_add(&argv, units[i]) < 0)
			return error_errno(err, ENOMEM, "ask systemd");
	}
	r = host_check(host, (const char *const *)argv.items, &options, &result, err);
	if (r < 0)
		return error_context(err, "ask systemd for the state of its units");
	if (result.out.data)
		parse_show(result.out.data, &states);
	*ret = states;
	states = (struct unit_states){ 0 };
	return 0;
}

int systemd_show(const struct host *host, const char *const *units, struct unit_states *ret,
		 struct error *err)
{
	return systemd_show_within(host, units, 60000, ret, err);
}

int systemd_show_one(const struct host *host, const char *unit, struct unit_states *ret,
		     struct error *err)
{
	const char *const units[] = { unit, NULL };

	return systemd_show(host, units, ret, err);
}

const struct unit_state *unit_states_find(const struct unit_states *states, const char *unit)
{
	for (size_t i = 0; i < states->len; i++) {
		if (strcmp(states->items[i].name, unit) == 0)
			return &states->items[i];
	}
	return NULL;
}

/* Why a unit failed, in its own words: the last line of its journal. Best effort. */
static void add_journal_line(const struct host *host, const char *unit, struct error *err)
{
	const char *const argv[] = { "journalctl", "--unit", unit, "--lines=8", "--output=cat",
				     "--no-pager", "--quiet", "--priority=warning", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 10000 };
	struct error why = ERROR_INIT;
	size_t used = strlen(err->message);
	char *last, *end;

	if (host_run(host, argv, &options, &result, &why) < 0 || !result.out.len)
		return;
	end = result.out.data + result.out.len;
	while (end > result.out.data && end[-1] == '\n')
		*--end = '\0';
	last = strrchr(result.out.data, '\n');
	last = last ? last + 1 : result.out.data;
	(void)snprintf(err->message + used, sizeof(err->message) - used, "; %s says: %.300s", unit,
		       last);
}

int systemd_verb(const struct host *host, const char *verb, const char *const *units,
		 uint64_t timeout_ms, struct error *err)
{
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = timeout_ms };
	_cleanup_(strv_release) struct strv argv = STRV_INIT;
	int r = strv_add(&argv, "systemctl");

	if (r == 0)
		r = strv_add(&argv, "--quiet");
	if (r == 0 && strcmp(verb, "enable") == 0)
		r = strv_add(&argv, "--no-reload");
	if (r == 0)
		r = strv_add(&argv, verb);
	for (const char *const *u = units; r == 0 && u && *u; u++)
		r = strv_add(&argv, *u);
	if (r < 0)
		return error_errno(err, r, "systemctl %s", verb);
	r = host_check(host, (const char *const *)argv.items, &options, &result, err);
	if (r < 0) {
		(void)error_context(err, "systemctl %s%s%s", verb, units && *units ? " " : "",
				    units && *units ? *units : "");
		if (units && *units && err && !host_is_rooted(host))
			add_journal_line(host, *units, err);
	}
	return r;
}

int systemd_verb_one(const struct host *host, const char *verb, const char *unit,
		     uint64_t timeout_ms, struct error *err)
{
	const char *const units[] = { unit, NULL };

	return systemd_verb(host, verb, units, timeout_ms, err);
}
