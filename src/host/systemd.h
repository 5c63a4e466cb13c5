/* systemd on the host, through systemctl: states of units and the verbs berth needs. */
#ifndef HOST_SYSTEMD_H
#define HOST_SYSTEMD_H

#include "host/host.h"

struct unit_state {
	char *name;
	char *load;	 /* "loaded", "not-found", "masked", "bad-setting" */
	char *active;	 /* "active", "inactive", "failed", "activating"... */
	char *sub;	 /* "running", "mounted", "dead"... */
	char *enabled;	 /* "enabled", "disabled", "static", "masked", "" */
	char *fragment;	 /* path of its unit file */
	char *exec_start; /* as systemctl shows it, "" without one */
	char *control_group; /* "/system.slice/docker.service"; "" or NULL: none, nothing of it runs */
	int main_pid;	 /* 0: none */
	bool needs_reload; /* its files changed after systemd read them */
};

struct unit_states {
	struct unit_state *items; /* in the order asked for */
	size_t len;
};

void unit_states_release(struct unit_states *states);

/* One `systemctl show` for all of them; a unit that does not exist has load "not-found". */
int systemd_show(const struct host *host, const char *const *units, struct unit_states *ret,
		 struct error *err);
/* The same for one who cannot wait long for an answer. */
int systemd_show_within(const struct host *host, const char *const *units, uint64_t timeout_ms,
			struct unit_states *ret, struct error *err);
int systemd_show_one(const struct host *host, const char *unit, struct unit_states *ret,
		     struct error *err);
const struct unit_state *unit_states_find(const struct unit_states *states, const char *unit);

static inline bool unit_is(const char *value, const char *expected)
{
	return value && strcmp(value, expected) == 0;
}

/* At work, also while it reads its settings again. */
static inline bool unit_is_active(const struct unit_state *unit)
{
	return unit_is(unit->active, "active") || unit_is(unit->active, "reloading");
}

/*
 * enable does not make systemd read its units anew: what systemctl shows of them stays until then.
 *
 * `systemctl VERB UNIT...` ("start", "stop", "enable", "disable", "restart", "daemon-reload" without
 * units). A failed start is told with the unit's last journal line.
 */
int systemd_verb(const struct host *host, const char *verb, const char *const *units,
		 uint64_t timeout_ms, struct error *err);
int systemd_verb_one(const struct host *host, const char *verb, const char *unit,
		     uint64_t timeout_ms, struct error *err);

#endif
