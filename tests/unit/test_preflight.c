#include "step_fixture.h"

/* A fresh cloud machine that can be a host. */
static void put_machine(void)
{
	put_recorded("memory=8G\ndisk=60G\narch=x86_64\n");
	put("/proc/1/comm", "systemd\n");
	put("/proc/version", "Linux version 6.1.0-26-amd64 (debian-kernel@lists.debian.org)\n");
	put("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
	put("/boot/config-6.1.0-26-amd64", "# generated\nCONFIG_XFS_QUOTA=y\n");
	put("/proc/net/route", "Iface\n");
}

static void run(void)
{
	report_release(&report);
	must(step_preflight.check(&step, &report, &must_err));
}

/* The only failure, in words, with something to do about it. */
static void refused(const char *id, const char *says)
{
	run();
	assert_verdict(id, CHECK_FAIL);
	assert_says(check_of(id)->text, says);
	assert_non_null(check_of(id)->remedy);
	assert_int_equal(report_count(&report, CHECK_FAIL), 1);
}

static void a_fresh_machine_is_fine(void **state)
{
	put_machine();
	run();
	assert_int_equal(report_count(&report, CHECK_FAIL), 0);
	assert_int_equal(report_count(&report, CHECK_WARN), 0);
	assert_verdict("os", CHECK_PASS);
	assert_string_equal(check_of("os")->text, "Debian GNU/Linux 12 (bookworm)");
	assert_verdict("kernel.xfs-quota", CHECK_PASS);
	assert_verdict("network.addresses", CHECK_PASS);
	assert_string_equal(check_of("docker.kind")->text, "no Docker yet");
}

static void systems_that_cannot_be_hosts(void **state)
{
	static const struct {
		const char *text, *says;
	} TABLE[] = {
		{ "ID=cos\nPRETTY_NAME=\"Container-Optimized OS from Google\"\n",
		  "this is Container-Optimized OS: its root is read-only" },
		{ "ID=flatcar\nID_LIKE=coreos\n", "this is Flatcar: its /usr is read-only" },
		{ "ID=bottlerocket\n", "this is Bottlerocket" },
		{ "ID=nixos\n", "this is NixOS" },
		{ "ID=alpine\n", "this is Alpine: it has neither systemd nor glibc" },
		{ "ID=arch\nPRETTY_NAME=Arch\n", "does not know the system 'Arch'" },
		{ "", "does not know the system '(no os-release)'" },
	};

	put_machine();
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		set_os(TABLE[i].text, "x86_64");
		refused("os", TABLE[i].says);
	}
	set_os("ID=rhel\nID_LIKE=fedora\nPRETTY_NAME=RHEL\n", "x86_64");
	run();
	assert_verdict("os", CHECK_PASS);
	assert_int_equal(report_count(&report, CHECK_FAIL), 0);
}

static void selinux(void **state)
{
	put_machine();
	run();
	assert_null(check_of("selinux"));
	put("/sys/fs/selinux/enforce", "0");
	run();
	assert_null(check_of("selinux"));
	put("/sys/fs/selinux/enforce", "1");
	run();
	assert_verdict("selinux", CHECK_WARN);
}

static void places_that_are_no_machine(void **state)
{
	static const char *const SIGNS[] = { "/.dockerenv", "/run/.containerenv",
					     "/run/systemd/container" };

	put_machine();
	for (size_t i = 0; i < ARRAY_SIZE(SIGNS); i++) {
		put(SIGNS[i], "docker\n");
		refused("machine",
			"this is a container: it has neither a kernel nor a service manager");
		assert_int_equal(unlink(real(SIGNS[i])), 0);
	}
	put("/proc/version", "Linux version 5.15.153.1-microsoft-standard-WSL2 (root@x)\n");
	refused("machine", "this is WSL");
}

static void without_systemd(void **state)
{
	put_machine();
	put("/proc/1/comm", "bash\n");
	refused("systemd", "PID 1 is bash, not systemd: nothing here could start Docker");
	put("/proc/1/comm", "systemd\n");
	assert_int_equal(host_rmdir(&host, "/run/systemd/system"), 0);
	refused("systemd", "not systemd");
}

static void another_architecture(void **state)
{
	static const char DEBIAN[] = "ID=debian\nVERSION_ID=12\n";

	put_machine();
	set_os(DEBIAN, "riscv64");
	refused("arch", "Sysbox has no build for riscv64");
	set_os(DEBIAN, "armv7l");
	refused("arch", "Sysbox has no build for armv7l");
	set_os(DEBIAN, "aarch64");
	run();
	assert_verdict("arch", CHECK_PASS);
}

static void docker_as_a_snap(void **state)
{
	put_machine();
	must(host_mkdirs(&host, "/snap/docker", 0755, NULL, &must_err));
	refused("docker.snap", "Docker is a snap: it is confined");
	assert_int_equal(host_rmdir(&host, "/snap/docker"), 0);
	must(host_mkdirs(&host, "/var/snap/docker", 0755, NULL, &must_err));
	refused("docker.snap", "Docker is a snap");
}

static void half_installed_packages(void **state)
{
	put_machine();
	put_status("Package: a\nStatus: install ok installed\nVersion: 1\n\n"
		   "Package: linux-image\nStatus: install ok half-configured\nVersion: 1\n");
	refused("packages", "the package 'linux-image' is only half installed or configured");
	assert_says(check_of("packages")->remedy, "dpkg --configure -a");
	step.resuming_packages = true; /* of our own transaction */
	run();
	assert_verdict("packages", CHECK_PASS);
}

static void kernels_that_lack_something(void **state)
{
	static const struct {
		const char *fact, *id;
		enum verdict verdict;
	} TABLE[] = {
		{ "try.userns=no\n", "kernel.userns", CHECK_FAIL },
		{ "try.overlay=no\n", "kernel.overlay", CHECK_FAIL },
		{ "try.fuse=no\n", "kernel.fuse", CHECK_FAIL },
		{ "try.xfs=no\n", "kernel.xfs", CHECK_FAIL },
		{ "try.loop=no\n", "kernel.loop", CHECK_FAIL },
		{ "try.idmapped-overlay=no\n", "kernel.idmapped-overlay", CHECK_WARN },
	};

	put_machine();
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_free_ char *facts = xasprintf("memory=8G\ndisk=60G\n%s", TABLE[i].fact);

		put_recorded(facts);
		run();
		assert_verdict(TABLE[i].id, TABLE[i].verdict);
		assert_says(check_of(TABLE[i].id)->text, "tried and not working");
		assert_non_null(check_of(TABLE[i].id)->remedy);
		assert_int_equal(report_count(&report, TABLE[i].verdict), 1);
	}
}

static void quota_of_the_kernels_xfs(void **state)
{
	put_machine();
	put("/boot/config-6.1.0-26-amd64", "# CONFIG_XFS_QUOTA is not set\n");
	refused("kernel.xfs-quota", "no sandbox could have a disk budget");
	step.facts.pool_mounted = true;
	run();
	assert_verdict("kernel.xfs-quota", CHECK_PASS);
	step.facts.pool_mounted = false;
	assert_int_equal(unlink(real("/boot/config-6.1.0-26-amd64")), 0);
	run();
	assert_verdict("kernel.xfs-quota", CHECK_SKIP);
}

static void memory_and_disk(void **state)
{
	put_machine();
	put_recorded("memory=1G\ndisk=60G\n");
	run();
	assert_verdict("memory", CHECK_WARN);
	put_recorded("memory=2G\ndisk=60G\n");
	run();
	assert_verdict("memory", CHECK_PASS);
	assert_says(check_of("memory")->text, "4G is advised");
	put_recorded("memory=8G\ndisk=500M\n");
	refused("disk", "500M is free on /var/lib, the packages need 900M");
	step.facts.docker_package = strdup("docker.io");
	run();
	assert_verdict("disk", CHECK_PASS); /* no packages to come */
	put_recorded("memory=8G\ndisk=60G\nvar-lib-fs=tmpfs\n");
	refused("disk.var-lib", "nothing there survives");
}

static void an_existing_docker_stays(void **state)
{
	put_machine();
	step.facts.docker_package = strdup("docker-ce");
	step.facts.docker_info = json_pack("{s:i}", "ContainersRunning", 4);
	run();
	assert_verdict("docker.kind", CHECK_PASS);
	assert_string_equal(check_of("docker.kind")->text,
			    "docker-ce is there and stays; 4 containers are running");
}

static void what_is_worse_than_it_could_be(void **state)
{
	put_machine();
	put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
	assert_int_equal(unlink(real("/sys/fs/cgroup/cgroup.controllers")), 0);
	run();
	assert_verdict("apparmor.userns", CHECK_WARN);
	assert_verdict("cgroup", CHECK_WARN);
	assert_int_equal(report_count(&report, CHECK_FAIL), 0);
	put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
	run();
	assert_null(check_of("apparmor.userns"));
}

static void one_line_of_what_is_there(void **state)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;

	must(step_preflight.probe(&step, &text, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&text), "Debian GNU/Linux 12 (bookworm)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(a_fresh_machine_is_fine),    step_test(systems_that_cannot_be_hosts),
		step_test(selinux),
		step_test(places_that_are_no_machine), step_test(without_systemd),
		step_test(another_architecture),       step_test(docker_as_a_snap),
		step_test(half_installed_packages),    step_test(kernels_that_lack_something),
		step_test(quota_of_the_kernels_xfs),   step_test(memory_and_disk),
		step_test(an_existing_docker_stays),   step_test(what_is_worse_than_it_could_be),
		step_test(one_line_of_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
