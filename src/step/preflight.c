/*
 * What must be so before the first change. Kernel functions are tried, not inferred from versions.
 * Each check: an id, a verdict, what was found and why it matters, what to do.
 */
#include <sys/sysinfo.h>

#include "step/kernel_functions.h"
#include "base/units.h"
#include "step/addresses.h"
#include "step/layout.h"
#include "step/table.h"
#include "sys/fsinfo.h"

#include <fcntl.h>

#define MEMORY_MINIMUM	 ((uint64_t)1900 << 20) /* the documents' 2 GB, less what firmware takes */
#define MEMORY_ADVISED	 ((uint64_t)3800 << 20)
#define DISK_FOR_PACKAGES ((uint64_t)900 << 20)

static bool fact_is(const struct step_context *ctx, const char *key, const char *value)
{
	_cleanup_free_ char *fact = host_fact(ctx->host, key);

	return fact && strcmp(fact, value) == 0;
}

static void check_root(struct step_context *ctx, struct report *report)
{
	if (host_is_rooted(ctx->host) || geteuid() == 0)
		report_add(report, "root", CHECK_PASS, NULL, "running as root");
	else
		report_add(report, "root", CHECK_FAIL, "run it with sudo",
			   "berth changes the system and must be root");
}

/* Systems by name that cannot be hosts, in plain words. */
static const struct {
	const char *id, *reason, *remedy;
} REFUSED[] = {
	{ "cos", "this is Container-Optimized OS: its root is read-only and it takes no packages",
	  "use a node pool with an Ubuntu image (--image-type=UBUNTU_CONTAINERD)" },
	{ "flatcar", "this is Flatcar: its /usr is read-only and it takes no packages",
	  "use an Ubuntu or Debian image" },
	{ "coreos", "this is CoreOS: its /usr is read-only and it takes no packages",
	  "use an Ubuntu or Debian image" },
	{ "bottlerocket", "this is Bottlerocket: it takes no packages", "use an Ubuntu image" },
	{ "nixos", "this is NixOS: its system is described elsewhere and not changed by programs",
	  "use an Ubuntu or Debian image" },
	{ "alpine", "this is Alpine: it has neither systemd nor glibc, which Sysbox needs",
	  "use an Ubuntu or Debian image" },
};

static void check_os(struct step_context *ctx, struct report *report)
{
	const char *name = *ctx->os.pretty ? ctx->os.pretty : ctx->os.id;

	for (size_t i = 0; i < ARRAY_SIZE(REFUSED); i++) {
		if (strcmp(ctx->os.id, REFUSED[i].id) == 0) {
			report_add(report, "os", CHECK_FAIL, REFUSED[i].remedy, "%s",
				   REFUSED[i].reason);
			return;
		}
	}
	if (ctx->os.packages == PACKAGES_NONE)
		report_add(report, "os", CHECK_FAIL, "use Debian or Ubuntu",
			   "berth does not know the system '%s' and would only guess",
			   *name ? name : "(no os-release)");
	else
		report_add(report, "os", CHECK_PASS, NULL, "%s", name);
}

static void check_arch(struct step_context *ctx, struct report *report)
{
	if (os_deb_arch(&ctx->os))
		report_add(report, "arch", CHECK_PASS, NULL, "%s", ctx->os.arch);
	else
		report_add(report, "arch", CHECK_FAIL, "use x86_64 or aarch64",
			   "Sysbox has no build for %s", ctx->os.arch);
}

/* The kinds of place that look like a machine and are none. */
static const char *not_a_machine(const struct step_context *ctx)
{
	_cleanup_free_ char *version = NULL;

	if (host_exists(ctx->host, "/.dockerenv") || host_exists(ctx->host, "/run/.containerenv") ||
	    host_exists(ctx->host, "/run/systemd/container"))
		return "this is a container";
	if (host_read(ctx->host, "/proc/version", 4096, &version, NULL) == 0 &&
	    strcasestr(version, "microsoft"))
		return "this is WSL";
	return NULL;
}

static void check_machine(struct step_context *ctx, struct report *report)
{
	const char *reason = not_a_machine(ctx);

	if (reason)
		report_add(report, "machine", CHECK_FAIL,
			   "run berth on the machine itself (from a privileged pod: --enter-host)",
			   "%s: it has neither a kernel nor a service manager of its own", reason);
	else
		report_add(report, "machine", CHECK_PASS, NULL, "a machine of its own");
}

static void check_systemd(struct step_context *ctx, struct report *report)
{
	_cleanup_free_ char *comm = NULL;
	bool there = host_exists(ctx->host, "/run/systemd/system");

	if (host_read(ctx->host, "/proc/1/comm", 64, &comm, NULL) == 0)
		comm[strcspn(comm, "\n")] = '\0';
	if (there && (!comm || strncmp(comm, "systemd", 7) == 0))
		report_add(report, "systemd", CHECK_PASS, NULL, "systemd is PID 1");
	else
		report_add(report, "systemd", CHECK_FAIL, "use a system that is booted with systemd",
			   "PID 1 is %.20s, not systemd: nothing here could start Docker and Sysbox",
			   comm ? comm : "unknown");
}

static void check_snap(struct step_context *ctx, struct report *report)
{
	if (!spec_has_docker(ctx->spec))
		return;
	if (host_exists(ctx->host, "/snap/docker") || host_exists(ctx->host, "/var/snap/docker"))
		report_add(report, "docker.snap", CHECK_FAIL,
			   "snap remove docker (after saving what is in it), then run again",
			   "Docker is a snap: it is confined and cannot use other runtimes");
}

static void check_docker(struct step_context *ctx, struct report *report)
{
	json_int_t running = json_get_int(ctx->facts.docker_info, "ContainersRunning", 0);

	if (!spec_has_docker(ctx->spec))
		return;
	if (!ctx->facts.docker_package)
		report_add(report, "docker.kind", CHECK_PASS, NULL, "no Docker yet");
	else
		report_add(report, "docker.kind", CHECK_PASS, NULL,
			   "%s is there and stays; %" JSON_INTEGER_FORMAT " containers are running",
			   ctx->facts.docker_package, running);
}

static void check_packages(struct step_context *ctx, struct report *report)
{
	if (!ctx->resuming_packages && package_db_interrupted(ctx->host)) {
		report_add(report, "packages", CHECK_FAIL, "dpkg --configure -a, then run again",
			   "dpkg was cut off in the middle of something");
		return;
	}
	for (size_t i = 0; i < ctx->facts.packages.len; i++) {
		const struct package *p = &ctx->facts.packages.items[i];

		/* Of a transaction of ours that was cut off: it is finished first. */
		if (!p->broken || ctx->resuming_packages)
			continue;
		report_add(report, "packages", CHECK_FAIL, "dpkg --configure -a, then run again",
			   "the package '%s' is only half installed or configured", p->name);
		return;
	}
	report_add(report, "packages", CHECK_PASS, NULL, "the package database is in order");
}

static uint64_t memory_total(const struct step_context *ctx)
{
	_cleanup_free_ char *fact = host_fact(ctx->host, "memory");
	struct sysinfo info;
	uint64_t bytes;

	if (fact && size_parse(fact, &bytes) == 0)
		return bytes;
	return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit : 0;
}

static void check_memory(struct step_context *ctx, struct report *report)
{
	uint64_t total = memory_total(ctx);
	char text[UNITS_MAX];

	size_format(total, text);
	if (total < MEMORY_MINIMUM)
		report_add(report, "memory", CHECK_WARN, "give it 2G at least, 4G for real work",
			   "%s of memory is little for Docker, Sysbox and sandboxes", text);
	else if (total < MEMORY_ADVISED)
		report_add(report, "memory", CHECK_PASS, NULL, "%s (4G is advised)", text);
	else
		report_add(report, "memory", CHECK_PASS, NULL, "%s", text);
}

static int space_at(const struct step_context *ctx, const char *path, struct fsinfo *ret)
{
	_cleanup_free_ char *fact = host_fact(ctx->host, "disk");
	_cleanup_fd_ int fd = -EBADF;
	struct error err = ERROR_INIT;

	if (fact) {
		*ret = (struct fsinfo){ .type = "ext4", .inodes_available = UINT64_MAX };
		ret->volatile_memory = fact_is(ctx, "var-lib-fs", "tmpfs");
		return size_parse(fact, &ret->available) < 0 ? -EINVAL :
			       size_parse(fact, &ret->total);
	}
	fd = host_open(ctx->host, path, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? fd : fsinfo_fd(fd, ret, &err);
}

static void check_disk(struct step_context *ctx, struct report *report)
{
	uint64_t needed = ctx->facts.docker_package ? 0 : DISK_FOR_PACKAGES;
	char available[UNITS_MAX], wanted[UNITS_MAX];
	struct fsinfo info;
	int r = space_at(ctx, "/var/lib", &info);

	if (r < 0) {
		report_add(report, "disk", CHECK_FAIL, NULL, "the space on /var/lib cannot be read: %s",
			   strerror(-r));
		return;
	}
	if (info.volatile_memory || strcmp(info.type, "overlay") == 0)
		report_add(report, "disk.var-lib", CHECK_FAIL,
			   "put /var/lib on a disk (ext4 or XFS)",
			   "/var/lib is on %s: nothing there survives, and Sysbox refuses it",
			   info.type);
	size_format(info.available, available);
	size_format(needed, wanted);
	if (info.available < needed)
		report_add(report, "disk", CHECK_FAIL, "free some space, or give the machine a bigger disk",
			   "%s is free on /var/lib, the packages need %s", available, wanted);
	else
		report_add(report, "disk", CHECK_PASS, NULL, "%s is free on /var/lib (%s)", available,
			   info.type);
}

static void check_cgroup(struct step_context *ctx, struct report *report)
{
	if (host_exists(ctx->host, "/sys/fs/cgroup/cgroup.controllers"))
		report_add(report, "cgroup", CHECK_PASS, NULL, "cgroup v2");
	else
		report_add(report, "cgroup", CHECK_WARN,
			   "boot with systemd.unified_cgroup_hierarchy=1 where you can",
			   "cgroup v1 or hybrid: it works, but newer engines are dropping it");
}

static void check_apparmor_userns(struct step_context *ctx, struct report *report)
{
	_cleanup_free_ char *value = NULL;

	if (host_read(ctx->host, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 16, &value,
		      NULL) < 0 || *value != '1')
		return;
	report_add(report, "apparmor.userns", CHECK_WARN,
		   "give such programs an AppArmor profile with 'userns,' if they fail inside",
		   "AppArmor restricts user namespaces of unprivileged programs: sandboxes start, "
		   "programs that make namespaces of their own inside may not");
}

/* "1": enforcing; "0": permissive; the file is not there where SELinux is off. */
static void check_selinux(struct step_context *ctx, struct report *report)
{
	_cleanup_free_ char *value = NULL;

	if (host_read(ctx->host, "/sys/fs/selinux/enforce", 16, &value, NULL) < 0 || *value != '1')
		return;
	report_add(report, "selinux", CHECK_WARN,
		   "setenforce 0, and SELINUX=permissive in /etc/selinux/config, if sandboxes do not start",
		   "SELinux is enforcing, and Sysbox does not support that");
}

/* Whoever runs without --config goes by the file: timers, a service agent, a person. */
static void check_settings(struct step_context *ctx, struct report *report)
{
	_cleanup_free_ char *own = NULL;

	if (!ctx->kept_spec || host_read(ctx->host, SPEC_PATH_DEFAULT, FILE_CAP_DEFAULT, &own, NULL) < 0 ||
	    strcmp(ctx->kept_spec, own) == 0)
		return;
	report_add(report, "settings.two", CHECK_WARN,
		   "keep one of them: remove " SPEC_PATH_DEFAULT ", or leave out --config",
		   "--config and " SPEC_PATH_DEFAULT " differ: timers, and commands without --config, go by the latter");
}

static int check(struct step_context *ctx, struct report *report, struct error *err)
{
	static void (*const CHECKS[])(struct step_context *, struct report *) = {
		check_root,	  check_os,	  check_machine,    check_systemd,
		check_arch,	  check_snap,	  check_docker,	    check_packages,
		check_memory,	  check_disk,	  check_cgroup,	    check_apparmor_userns,
		check_selinux,	  check_settings,	  check_kernel_functions,
		check_addresses,
	};

	(void)err;
	for (size_t i = 0; i < ARRAY_SIZE(CHECKS); i++)
		CHECKS[i](ctx, report);
	return 0;
}

static int probe(struct step_context *ctx, struct strbuf *ret, enum verdict *ret_verdict,
		 struct error *err)
{
	(void)err;
	(void)ret_verdict;
	strbuf_puts(ret, *ctx->os.pretty ? ctx->os.pretty : ctx->os.id);
	return 0;
}

const struct step step_preflight = {
	.name = "preflight",
	.summary = "this machine can be a sandbox host",
	.probe = probe,
	.check = check,
};
