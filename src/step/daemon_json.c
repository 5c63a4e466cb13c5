/*
 * /etc/docker/daemon.json: the members sandboxes need, merged into what is there.
 *
 * `bip` and `default-address-pools` are set here because Sysbox's package, finding none, would set
 * its own and restart Docker, or refuse when containers exist.
 */
#include "step/daemon_flags.h"
#include "step/layout.h"
#include "step/table.h"

struct members {
	const json_t *now;	      /* the file's object, empty when there is none */
	json_t *set;		      /* [[path], value] */
	const struct daemon_flags *flags;
	struct error *err;
	int result; /* of the first refusal */
};

static const json_t *lookup(const json_t *root, const char *a, const char *b)
{
	const json_t *value = json_object_get(root, a);

	return b ? json_object_get(value, b) : value;
}

/* How the user's own value is taken. */
enum claim {
	CLAIM_DEFAULT,	/* theirs stays, whatever it is */
	CLAIM_REQUIRED, /* theirs is replaced, and the plan shows it */
	CLAIM_AGREE,	/* another one of theirs is refused: replacing it could hide data */
};

static int refuse(struct members *m, const char *key, const json_t *now, const char *remedy)
{
	_cleanup_free_ char *text = json_line(now);

	m->result = error_set(m->err, EINVAL, "'%s' has %s = %.100s, which sandboxes cannot run with: %s",
			      DAEMON_JSON, key, text ? text : "?", remedy);
	return m->result;
}

/* Takes `value`. `b` NULL: a top-level member. */
static void want(struct members *m, const char *a, const char *b, json_t *value, enum claim claim,
		 const char *remedy)
{
	const json_t *now = lookup(m->now, a, b);
	const char *flag = daemon_flags_find(m->flags, a);
	json_t *path;

	if (m->result < 0 || (now && json_equal(now, value)))
		goto out;
	if (flag && !now) {
		/* dockerd refuses to start with a value in both places. */
		if (claim != CLAIM_DEFAULT && !(json_is_string(value) &&
						strcmp(flag, json_string_value(value)) == 0))
			m->result = error_set(
				m->err, EINVAL,
				"dockerd's command line sets --%s=%.100s: a value in '%s' as well would "
				"keep it from starting; take it off the command line first",
				a, flag, DAEMON_JSON);
		goto out;
	}
	if (now && claim == CLAIM_DEFAULT)
		goto out;
	if (now && claim == CLAIM_AGREE) {
		(void)refuse(m, b ? b : a, now, remedy);
		goto out;
	}
	path = b ? json_pack("[s,s]", a, b) : json_pack("[s]", a);
	(void)json_array_append_new(m->set, json_pack("[o,O]", path, value));
out:
	json_decref(value);
}

static void runtime_members(struct members *m, const struct spec *spec)
{
	const json_t *runtime = lookup(m->now, "runtimes", RUNTIME_NAME);

	/* Other members of an entry of theirs stay; only where it points matters. */
	if (!json_get_string(runtime, "path") ||
	    strcmp(json_get_string(runtime, "path"), BERTH_RUNC) != 0)
		want(m, "runtimes", RUNTIME_NAME, json_pack("{s:s}", "path", BERTH_RUNC),
		     CLAIM_REQUIRED, NULL);
	if (spec->docker.default_runtime)
		want(m, "default-runtime", NULL, json_string(RUNTIME_NAME), CLAIM_REQUIRED, NULL);
}

static bool is_set(const struct members *m, const char *key)
{
	return lookup(m->now, key, NULL) || daemon_flags_find(m->flags, key);
}

static void network_members(struct members *m, const struct spec *spec)
{
	/* dockerd does not start with an address beside a bridge or a range of the user's own. */
	if (!is_set(m, "bridge") && !is_set(m, "fixed-cidr"))
		want(m, "bip", NULL, json_string(spec->docker.bridge_ip), CLAIM_DEFAULT, NULL);
	want(m, "default-address-pools", NULL,
	     json_pack("[{s:s, s:I}]", "base", spec->docker.pool_base, "size",
		       (json_int_t)spec->docker.pool_size),
	     CLAIM_DEFAULT, NULL);
}

static void log_members(struct members *m, const struct spec *spec)
{
	const json_t *driver = lookup(m->now, "log-driver", NULL);
	char files[24];

	want(m, "log-driver", NULL, json_string("json-file"), CLAIM_DEFAULT, NULL);
	/* Options belong to a driver: none of ours for another one of theirs. */
	if ((driver && strcmp(json_string_value(driver) ? json_string_value(driver) : "",
			      "json-file") != 0) || daemon_flags_find(m->flags, "log-driver"))
		return;
	(void)snprintf(files, sizeof(files), "%" PRIu64, spec->docker.log_max_file);
	want(m, "log-opts", "max-size", json_string(spec->docker.log_max_size), CLAIM_DEFAULT, NULL);
	want(m, "log-opts", "max-file", json_string(files), CLAIM_DEFAULT, NULL);
}

/* Docker must keep its data where the pool is. "graph" is data-root's name before 23.0. */
static void data_root(struct members *m)
{
	const json_t *root = lookup(m->now, "data-root", NULL);
	const char *flag = daemon_flags_find(m->flags, "data-root");

	if (!root)
		root = lookup(m->now, "graph", NULL);
	if (m->result == 0 && root &&
	    strcmp(json_string_value(root) ? json_string_value(root) : "", DOCKER_DATA) != 0)
		(void)refuse(m, "data-root", root, "the pool is mounted on " DOCKER_DATA
			     "; move the data there and remove that member");
	if (m->result == 0 && flag && strcmp(flag, DOCKER_DATA) != 0)
		m->result = error_set(m->err, EINVAL,
				      "dockerd's command line sets --data-root=%.100s, but the pool is "
				      "mounted on " DOCKER_DATA "; move the data there and take the flag "
				      "off the command line", flag);
}

static void storage_members(struct members *m)
{
	want(m, "storage-driver", NULL, json_string("overlay2"), CLAIM_AGREE,
	     "images under another driver would be out of sight; remove that member once nothing "
	     "under it is needed");
	want(m, "features", "containerd-snapshotter", json_false(), CLAIM_AGREE,
	     "Docker's containerd image store ignores size limits; set it to false once nothing in "
	     "it is needed");
	data_root(m);
}

static int read_now(struct step_context *ctx, json_t **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = host_read(ctx->host, DAEMON_JSON, FILE_CAP_DEFAULT, &text, &len);

	*ret = NULL;
	if (r == 0 && strspn(text, " \t\r\n") != len)
		r = json_parse(text, len, "'" DAEMON_JSON "'", ret, err);
	if (r == -EINVAL && !*ret)
		return error_set(err, EINVAL, "%.700s; berth leaves the file as it is: mend it (or move "
				 "it away) and run again", err->message[0] ? err->message :
				 "'" DAEMON_JSON "' is not a regular file");
	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		return error_errno(err, r, "read '%s'", DAEMON_JSON);
	if (*ret && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return error_set(err, EINVAL, "'%s' is not a JSON object; berth leaves it as it is: "
				 "mend it (or move it away) and run again", DAEMON_JSON);
	}
	if (!*ret)
		*ret = json_object();
	return 0;
}

/* Is the running Docker another one than the file (as it will be) describes? */
static bool running_differs(const struct step_context *ctx)
{
	const json_t *info = ctx->facts.docker_info;
	const json_t *runtimes = json_object_get(info, "Runtimes");
	const char *runtime = json_get_string(info, "DefaultRuntime");

	if (!info)
		return ctx->facts.docker_running;
	return !json_object_get(runtimes, RUNTIME_NAME) || !runtime ||
	       (ctx->spec->docker.default_runtime && strcmp(runtime, RUNTIME_NAME) != 0);
}

/* Docker is stopped once, before its settings, packages or data change, and started by "services". */
static int plan_stop(struct step_context *ctx, struct plan *plan, bool settings_change,
		     struct error *err)
{
	bool moves = !mount_table_at(&ctx->facts.mounts, DOCKER_DATA);
	bool kept = !moves && json_get_bool(ctx->facts.docker_info, "LiveRestoreEnabled", false);
	_cleanup_free_ char *interrupts = NULL;
	json_int_t running;

	if (!ctx->facts.docker_running || (!settings_change && !moves && !running_differs(ctx)))
		return 0;
	if (!ctx->facts.docker_info)
		return error_set(err, EBUSY, "Docker runs and does not say which containers do, and it would have to stop: see why it "
				 "does not answer (docker info)");
	running = json_get_int(ctx->facts.docker_info, "ContainersRunning", 0) +
		  json_get_int(ctx->facts.docker_info, "ContainersPaused", 0);
	if (running && !kept && ctx->spec->docker.interrupt == INTERRUPT_REFUSE)
		return error_set(err, EBUSY,
				 "%" JSON_INTEGER_FORMAT " running containers would have to stop, and "
				 "docker.interrupt is 'refuse': stop them, or set it to 'allow'",
				 running);
	interrupts = running ? xasprintf("Docker, and %" JSON_INTEGER_FORMAT " running containers, which %s",
					 running, kept ? "go on (live-restore)" : "are started again") :
			       strdup("Docker (no container is running)");
	return plan_add(plan, &ctx->change, &change_stop, "docker.service",
			kept ? json_object() : json_pack("{s:b}", "containers", 1), interrupts,
			"its settings and data change under it", err);
}

static int plan_members(struct step_context *ctx, struct plan *plan, json_t *set, struct error *err)
{
	if (!json_array_size(set))
		return 0;
	return plan_add(plan, &ctx->change, &change_json, DAEMON_JSON,
			json_pack("{s:O, s:[s,s,s]}", "set", set, "validate", "dockerd",
				  "--validate", "--config-file"),
			NULL, "merged, the rest stays", err);
}

/* The flags in "DOCKER_OPTS=..." of such a file; the last one counts. */
static int flags_of_file(struct step_context *ctx, const char *variable, const char *file,
			 struct daemon_flags *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t n = strlen(variable);
	char *save;
	int r = 0;

	if (host_read(ctx->host, file, 65536, &text, NULL) < 0)
		return 0;
	/* Fedora's goes over several lines. */
	for (char *p = strstr(text, "\\\n"); p; p = strstr(p, "\\\n"))
		p[0] = p[1] = ' ';
	save = text;
	while (r == 0 && save) {
		char *line = strsep(&save, "\n");

		if (strncmp(line, variable, n) != 0 || line[n] != '=')
			continue;
		line += n + 1;
		for (char *p = line; *p; p++) {
			if (*p == '"' || *p == '\'')
				*p = ' ';
		}
		/* The parser takes the first word for the program's name. */
		line = xasprintf("dockerd %s", line);
		r = line ? daemon_flags_parse(line, ret, err) :
			   error_errno(err, ENOMEM, "read dockerd's flags");
		free(line);
	}
	return r;
}

/*
 * Distributions' units have "$DOCKER_OPTS" in them, or "$OPTIONS", from a file; systemctl shows the
 * name, not what it stands for.
 */
static int read_flags(struct step_context *ctx, const char *exec_start, struct daemon_flags *ret,
		      struct error *err)
{
	static const struct {
		const char *shown, *variable, *file;
	} FILES[] = {
		{ "DOCKER_OPTS", "DOCKER_OPTS", "/etc/default/docker" },
		{ "$OPTIONS", "OPTIONS", "/etc/sysconfig/docker" },
	};
	int r = daemon_flags_parse(exec_start, ret, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(FILES); i++) {
		if (strstr(exec_start, FILES[i].shown))
			r = flags_of_file(ctx, FILES[i].variable, FILES[i].file, ret, err);
	}
	return r;
}

static int plan_daemon_json(struct step_context *ctx, struct plan *plan, struct error *err)
{
	_cleanup_(daemon_flags_release) struct daemon_flags flags = { 0 };
	_cleanup_json_ json_t *now = NULL;
	_cleanup_json_ json_t *set = json_array();
	struct members m = { .set = set, .flags = &flags, .err = err };
	const struct unit_state *u;
	int r = context_unit(&ctx->change, "docker.service", &u, err);

	if (r == 0)
		r = read_flags(ctx, u->exec_start ? u->exec_start : "", &flags, err);
	if (r == 0)
		r = read_now(ctx, &now, err);
	if (r < 0)
		return r;
	m.now = now;
	runtime_members(&m, ctx->spec);
	log_members(&m, ctx->spec);
	storage_members(&m);
	network_members(&m, ctx->spec);
	want(&m, "live-restore", NULL, json_boolean(ctx->spec->docker.live_restore), CLAIM_DEFAULT,
	     NULL);
	if (m.result < 0)
		return m.result;
	r = plan_stop(ctx, plan, json_array_size(set) > 0, err);
	return r < 0 ? r : plan_members(ctx, plan, set, err);
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	_cleanup_json_ json_t *now = NULL;
	const char *runtime;
	int r = read_now(ctx, &now, err);

	if (r < 0)
		return r;
	runtime = json_get_string(now, "default-runtime");
	strbuf_printf(ret, "%zu members, default runtime %s", json_object_size(now),
		      runtime ? runtime : "not set");
	*ret_verdict = runtime ? CHECK_PASS : CHECK_WARN;
	return 0;
}

const struct step step_daemon_json = {
	.name = "daemon-json",
	.summary = "Docker's settings, merged into the user's",
	.beneath_docker = true,
	.wanted = spec_has_docker,
	.probe = probe,
	.plan = plan_daemon_json,
};
