#include "agent/look.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/units.h"
#include "change/change.h"
#include "change/masked.h"
#include "change/pool_now.h"
#include "sandbox/name.h"
#include "sandbox/running.h"
#include "sandbox/settings.h"
#include "step/layout.h"
#include "step/pool_check.h"
#include "sys/mountinfo.h"
#include "sys/pidfd.h"
#include "sys/quota.h"

#define NAMES_TOLD   4	   /* and then "..." */
#define ASK_MS	     2000  /* for systemd's answer: the loop waits for it */
#define ASK_AGAIN_MS 10000 /* between two questions */

const struct daemon_rule daemon_rules[DAEMON_COUNT] = {
	[DAEMON_DOCKER] = { "docker.service", "dockerd", FAULT_DOCKER_DEAD },
	[DAEMON_CONTAINERD] = { "containerd.service", "containerd", FAULT_CONTAINERD_DEAD },
	[DAEMON_SYSBOX_MGR] = { "sysbox-mgr.service", "sysbox-mgr", FAULT_SYSBOX_DEAD },
	[DAEMON_SYSBOX_FS] = { "sysbox-fs.service", "sysbox-fs", FAULT_SYSBOX_DEAD },
};

_printf_(3, 4) static void wrong(struct sight *sight, enum fault_id id, const char *fmt, ...)
{
	va_list ap;

	sight->is[id] = true;
	va_start(ap, fmt);
	(void)vsnprintf(sight->detail[id], FAULT_DETAIL_MAX, fmt, ap);
	va_end(ap);
}

/* ---- daemons ---- */

/* One that has ended keeps its name until systemd takes note of it: it is not that any more. */
static bool runs(pid_t pid, const char *program)
{
	char name[16], state;

	return process_name(pid, name) == 0 && strncmp(name, program, 15) == 0 && process_state(pid, &state) == 0 &&
	       state != 'Z' && state != 'X';
}

static pid_t named(const char *text, const char *program)
{
	for (const char *p = text; *p; p = strchrnul(p, '\n') + (*strchrnul(p, '\n') == '\n')) {
		pid_t pid = (pid_t)strtol(p, NULL, 10);

		if (pid > 0 && runs(pid, program))
			return pid;
	}
	return 0;
}

/* Of that name in the control group of a unit; 0: none. */
static pid_t in_group(const struct host *host, const struct daemon_places *places, enum daemon_id of, const char *program)
{
	/* The unified hierarchy, and systemd's own of the old ones. */
	static const char *const ROOTS[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < ARRAY_SIZE(ROOTS); i++) {
		_cleanup_free_ char *path =
			places->groups[of] ? xasprintf("%s%s/cgroup.procs", ROOTS[i], places->groups[of]) :
					     xasprintf("%s/system.slice/%s/cgroup.procs", ROOTS[i], daemon_rules[of].unit);
		_cleanup_free_ char *text = NULL;

		if (path && host_read(host, path, 1 << 20, &text, NULL) == 0)
			return named(text, program);
	}
	return 0;
}

/* Main process of a unit; 0: it does not run, as far as is known. */
static pid_t find_daemon(const struct host *host, const struct daemon_places *places, enum daemon_id id)
{
	const char *program = daemon_rules[id].program;
	pid_t pid = in_group(host, places, id, program), main_pid = places->pids[id];

	/* A unit that keeps its processes below its own group (DelegateSubgroup=). */
	if (!pid && main_pid && runs(main_pid, program))
		return main_pid;
	/* A dockerd that found no containerd has one of its own, as a child. */
	return !pid && id == DAEMON_CONTAINERD ? in_group(host, places, DAEMON_DOCKER, program) : pid;
}

/* Without an answer all stays as it was. */
static void ask_systemd(const struct host *host, struct daemon_places *places)
{
	_cleanup_(unit_states_release) struct unit_states states = { 0 };
	const char *units[DAEMON_COUNT + 1] = { NULL };

	for (int i = 0; i < DAEMON_COUNT; i++)
		units[i] = daemon_rules[i].unit;
	places->asked = monotonic_ms();
	if (systemd_show_within(host, units, ASK_MS, &states, NULL) < 0)
		return;
	for (size_t i = 0; i < states.len; i++) {
		const char *group = states.items[i].control_group;

		places->pids[i] = states.items[i].main_pid;
		if (!group || *group != '/')
			continue; /* it does not run: the next time it will where it did */
		free(places->groups[i]);
		places->groups[i] = strdup(group);
	}
}

void daemon_places_release(struct daemon_places *places)
{
	for (int i = 0; i < DAEMON_COUNT; i++)
		free(places->groups[i]);
	*places = (struct daemon_places){ 0 };
}

static bool has_unit(const struct host *host, const char *unit)
{
	static const char *const DIRS[] = { UNIT_DIR, "/run/systemd/system", "/usr/local/lib/systemd/system",
					    "/usr/lib/systemd/system", "/lib/systemd/system" };

	for (size_t i = 0; i < ARRAY_SIZE(DIRS); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", DIRS[i], unit);

		if (path && host_exists(host, path))
			return true;
	}
	return false;
}

/* The containerd of a node is its kubelet's, unless Docker is here: not ours to mind. */
static bool is_minded(const struct spec *spec, int id)
{
	return spec_has_docker(spec) || (id != DAEMON_DOCKER && id != DAEMON_CONTAINERD);
}

/* A Docker that brings its own containerd has no unit for it. */
static bool is_missing(const struct host *host, const struct sight *sight, int id)
{
	return !sight->pids[id] && (id != DAEMON_CONTAINERD || has_unit(host, daemon_rules[id].unit));
}

/* True: one of them is missing, for the second time in a row, and was perhaps only put elsewhere. */
static bool find_daemons(const struct host *host, const struct spec *spec, struct daemon_places *places, struct sight *sight)
{
	bool again = false;

	for (int i = 0; i < DAEMON_COUNT; i++) {
		bool missing;

		sight->pids[i] = is_minded(spec, i) ? find_daemon(host, places, (enum daemon_id)i) : 0;
		missing = is_minded(spec, i) && is_missing(host, sight, i) && !masked_is(host, daemon_rules[i].unit);
		again = again || (missing && (places->missed[i] || !places->looked));
		places->missed[i] = missing;
	}
	places->looked = true;
	return again && (!places->asked || monotonic_ms() - places->asked >= ASK_AGAIN_MS);
}

static void look_at_daemons(const struct host *host, const struct spec *spec, struct daemon_places *places,
			    struct sight *sight)
{
	if (find_daemons(host, spec, places, sight)) {
		ask_systemd(host, places);
		(void)find_daemons(host, spec, places, sight);
	}
	for (int i = 0; i < DAEMON_COUNT; i++) {
		const struct daemon_rule *rule = &daemon_rules[i];
		const char *part;

		if (!is_minded(spec, i))
			continue;
		if (masked_is(host, rule->unit)) {
			wrong(sight, FAULT_UNIT_MASKED, "%s is masked", rule->unit);
			continue;
		}
		if (process_is_stopped(sight->pids[i]))
			wrong(sight, rule->dead == FAULT_SYSBOX_DEAD ? FAULT_SYSBOX_HUNG : FAULT_DOCKER_HUNG,
			      "%s, process %d, is stopped by a signal", rule->program, (int)sight->pids[i]);
		if (!is_missing(host, sight, i))
			continue;
		/* One half of Sysbox is not started without the other. */
		part = rule->dead == FAULT_SYSBOX_DEAD ? masked_part(host, SYSBOX_SERVICE) : NULL;
		if (part)
			wrong(sight, FAULT_UNIT_MASKED, "%s is masked", part);
		else
			wrong(sight, rule->dead, "%s of %s does not run", rule->program, rule->unit);
	}
}

/* ---- the pool ---- */

static void look_at_mounts(const struct spec *spec, struct sight *sight)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	const char *missing;

	if (mount_table_read_self(&table, NULL) < 0)
		return;
	missing = pool_missing_mount(&table, spec);
	if (missing)
		wrong(sight, FAULT_POOL_UNMOUNTED, "the pool is not mounted at %s", missing);
}

static void look_at_image(const struct spec *spec, const struct pool_now *now, struct sight *sight)
{
	const struct pool_figures *f = &now->figures;
	struct error why = ERROR_INIT;

	if (f->device)
		return;
	if (f->size < f->data)
		wrong(sight, FAULT_POOL_BROKEN, "the image '%s' is shorter than its file system", f->name);
	sight->disk_free = f->disk_free;
	sight->hold = pool_promised(f) && f->disk_free < spec->budget.floor;
	if (sight->hold || pool_check_disk(f, spec->pool.reserve, &why) < 0)
		wrong(sight, FAULT_BACKING_FULL, "%s", why.message[0] ? why.message : "no sandbox is started any more");
}

static void look_at_pool(const struct host *host, const struct spec *spec, struct sight *sight)
{
	_cleanup_(pool_now_release) struct pool_now now = POOL_NOW_INIT;
	struct error why = ERROR_INIT;
	struct quota_state quota;
	struct statvfs fs;
	int r = pool_now_read(host, spec->pool.device, &now, &why);

	if (r == -ENOTCONN)
		return; /* its mounts tell */
	if (r < 0) {
		wrong(sight, FAULT_POOL_BROKEN, "%s", why.message);
		return;
	}
	if (fstatvfs(now.dir_fd, &fs) < 0 || (fs.f_flag & ST_RDONLY))
		wrong(sight, FAULT_POOL_BROKEN, "the pool is read-only");
	else
		sight->pool_inodes_used = fs.f_files - fs.f_ffree;
	sight->has_pool = true;
	sight->pool_size = now.figures.total;
	sight->pool_used = now.figures.used;
	if (quota_get_state(now.dir_fd, &quota, NULL) == 0 && !(quota.accounting && quota.enforcement))
		wrong(sight, FAULT_QUOTA_OFF, "project quotas: accounting %s, enforcement %s",
		      quota.accounting ? "on" : "off", quota.enforcement ? "on" : "off");
	look_at_image(spec, &now, sight);
}

void look(const struct host *host, const struct spec *spec, struct daemon_places *places, struct sight *ret)
{
	memset(ret, 0, sizeof(*ret));
	look_at_daemons(host, spec, places, ret);
	look_at_mounts(spec, ret);
	look_at_pool(host, spec, ret);
	/* What follows from another is not another fault. */
	if (ret->is[FAULT_POOL_UNMOUNTED] || ret->is[FAULT_POOL_BROKEN])
		ret->is[FAULT_QUOTA_OFF] = false;
	if (ret->is[FAULT_CONTAINERD_DEAD] && ret->is[FAULT_DOCKER_DEAD])
		ret->is[FAULT_CONTAINERD_DEAD] = false;
}

/* ---- sandboxes ---- */

static void add_name(const struct settings *settings, int pool, const char *id, unsigned count,
		     char names[static FAULT_DETAIL_MAX])
{
	_cleanup_free_ char *name = NULL;
	const char *engine;
	size_t len = strlen(names);

	if (count > NAMES_TOLD)
		return;
	(void)sandbox_name(settings, pool, id, &name, &engine);
	(void)snprintf(names + len, FAULT_DETAIL_MAX - len, "%s%.40s%s", len ? ", " : "",
		       name ? name : id, count == NAMES_TOLD ? "..." : "");
}

unsigned look_stranded(const struct host *host, char ret_names[static FAULT_DETAIL_MAX])
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	_cleanup_fd_ int pool = host_open(host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);
	struct settings settings = settings_default();

	ret_names[0] = '\0';
	if (pool < 0)
		return 0;
	(void)settings_read(SETTINGS_PATH, &settings, NULL);
	(void)running_stranded(pool, &ids, NULL);
	strv_foreach (&ids, i, id)
		add_name(&settings, pool, id, (unsigned)i, ret_names);
	return (unsigned)ids.len;
}
