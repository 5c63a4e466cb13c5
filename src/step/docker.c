/* Docker itself: an existing one is kept, else the distribution's is installed, without starting it. */
#include "change/packages.h"
#include "engine/docker.h"
#include "step/layout.h"
#include "step/table.h"

/* Is a repository of Docker's own configured? Then docker-ce is what its users expect. */
static bool has_docker_repository(const struct step_context *ctx)
{
	static const char *const FILES[] = {
		"/etc/apt/sources.list.d/docker.list",
		"/etc/apt/sources.list.d/docker.sources",
		"/etc/apt/sources.list.d/download_docker_com_linux_debian.list",
		"/etc/apt/sources.list.d/download_docker_com_linux_ubuntu.list",
		"/etc/yum.repos.d/docker-ce.repo",
	};

	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		if (host_exists(ctx->host, FILES[i]))
			return true;
	}
	return false;
}

/*
 * The distribution's own. RHEL and those made of it have none: only Docker's repository, or a mirror of
 * it under another name, gives them one.
 */
static const char *package_of(const struct step_context *ctx)
{
	static const struct {
		const char *id, *package;
	} RPMS[] = { { "amzn", "docker" }, { "fedora", "moby-engine" } };

	if (strcmp(ctx->spec->docker.package, "auto") != 0)
		return ctx->spec->docker.package;
	if (has_docker_repository(ctx))
		return "docker-ce";
	if (ctx->os.packages != PACKAGES_DNF)
		return "docker.io";
	for (size_t i = 0; i < ARRAY_SIZE(RPMS); i++) {
		if (strcmp(ctx->os.id, RPMS[i].id) == 0)
			return RPMS[i].package;
	}
	return "docker-ce";
}

/* Debian 13 took the command line client out of docker.io. Only Debian's testing has no version. */
static bool client_is_apart(const struct step_context *ctx)
{
	return strcmp(ctx->os.id, "debian") == 0 &&
	       (!*ctx->os.version || package_version_compare(ctx->os.version, "13") >= 0);
}

/* With AppArmor in the kernel and no parser on the host, Docker starts no container. */
static bool needs_apparmor(const struct step_context *ctx)
{
	_cleanup_free_ char *enabled = NULL;
	_cleanup_free_ char *parser = host_find_program(ctx->host, "apparmor_parser");

	return !parser && ctx->os.packages == PACKAGES_APT &&
	       host_read(ctx->host, "/sys/module/apparmor/parameters/enabled", 16, &enabled, NULL) ==
		       0 &&
	       *enabled == 'Y';
}

static int plan_docker(struct step_context *ctx, struct plan *plan, struct error *err)
{
	const char *names[4] = { NULL };
	size_t n = 0;

	if (ctx->facts.docker_package)
		return 0;
	names[n++] = package_of(ctx);
	if (strcmp(names[0], "docker.io") == 0 && client_is_apart(ctx))
		names[n++] = "docker-cli";
	if (needs_apparmor(ctx))
		names[n++] = "apparmor";
	return plan_packages(plan, &ctx->change, &ctx->facts.packages, names, "Docker", err);
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	const struct package *package;
	const char *version = json_get_string(ctx->facts.docker_info, "ServerVersion");

	(void)err;
	if (!ctx->facts.docker_package) {
		strbuf_puts(ret, "not installed");
		*ret_verdict = CHECK_SKIP;
		return 0;
	}
	package = package_db_find(&ctx->facts.packages, ctx->facts.docker_package);
	strbuf_printf(ret, "%s %s, %s", ctx->facts.docker_package,
		      version ? version : package ? package->version : "",
		      ctx->facts.docker_running ? "running" : "not running");
	*ret_verdict = ctx->facts.docker_running ? CHECK_PASS : CHECK_WARN;
	return 0;
}

/* What /info says of one item in DriverStatus ("Backing Filesystem", "Supports d_type"). */
static const char *driver_status(const json_t *info, const char *name)
{
	json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(info, "DriverStatus"), i, pair) {
		const char *key = json_string_value(json_array_get(pair, 0));

		if (key && strcmp(key, name) == 0)
			return json_string_value(json_array_get(pair, 1));
	}
	return NULL;
}

static void compare(struct report *report, const char *id, const char *what, const char *actual,
		    const char *expected)
{
	bool same = actual && strcmp(actual, expected) == 0;

	if (same) {
		report_add(report, id, CHECK_PASS, NULL, "Docker's %s is %s", what, actual);
		return;
	}
	report_add(report, id, CHECK_FAIL, "run berth install", "Docker's %s is %s, not %s", what,
		   actual ? actual : "unknown", expected);
}

static int verify(struct step_context *ctx, struct report *report, struct error *err)
{
	const json_t *info = ctx->facts.docker_info;

	(void)err;
	if (host_is_rooted(ctx->host)) {
		report_add(report, "docker", CHECK_SKIP, NULL, "a folder runs no Docker");
		return 0;
	}
	if (!info) {
		report_add(report, "docker.answers", CHECK_FAIL,
			   "systemctl status docker; journalctl -u docker; berth install",
			   ctx->facts.docker_running ? "Docker runs but does not answer" :
						       "Docker is not running");
		return 0;
	}
	report_add(report, "docker.answers", CHECK_PASS, NULL, "Docker %s answers",
		   json_get_string(info, "ServerVersion"));
	report_add(report, "docker.runtime",
		   json_object_get(json_object_get(info, "Runtimes"), RUNTIME_NAME) ? CHECK_PASS :
										      CHECK_FAIL,
		   "run berth install", "the runtime " RUNTIME_NAME " is%s registered",
		   json_object_get(json_object_get(info, "Runtimes"), RUNTIME_NAME) ? "" : " not");
	if (ctx->spec->docker.default_runtime)
		compare(report, "docker.default-runtime", "default runtime",
			json_get_string(info, "DefaultRuntime"), RUNTIME_NAME);
	compare(report, "docker.storage-driver", "storage driver", json_get_string(info, "Driver"),
		"overlay2");
	compare(report, "docker.backing-fs", "backing file system",
		driver_status(info, "Backing Filesystem"), "xfs");
	compare(report, "docker.d-type", "d_type support", driver_status(info, "Supports d_type"),
		"true");
	return 0;
}

const struct step step_docker = {
	.name = "docker",
	.summary = "Docker, kept where there is one, installed where there is none",
	.wanted = spec_has_docker,
	.probe = probe,
	.plan = plan_docker,
	.verify = verify,
};
