#include "step_fixture.h"

#define CONTAINERD "containerd.service"

/* A Docker host at work; its containerd is what a test makes it. */
static void put_host(const char *active, const char *enabled)
{
	put_unit("sysbox.service", "active", "enabled", "");
	put_unit("berth-stash.service", "active", "enabled", "");
	put_unit("docker.service", "active", "enabled", "");
	put_unit(CONTAINERD, active, enabled, "");
}

static void check(void)
{
	report_release(&report);
	must(step_services.check(&step, &report, &must_err));
}

static void a_masked_unit_is_refused(void **state)
{
	put_host("active", "enabled");
	check();
	assert_null(check_of("services.masked"));
	must(host_symlink(&host, "/dev/null", "/run/systemd/system/sysbox-mgr.service", &must_err));
	check();
	assert_verdict("services.masked", CHECK_FAIL);
	assert_says(check_of("services.masked")->text, "sysbox-mgr.service is masked");
	assert_says(check_of("services.masked")->remedy, "systemctl unmask sysbox-mgr.service");
	assert_int_equal(unlink(real("/run/systemd/system/sysbox-mgr.service")), 0);
	must(host_symlink(&host, "/dev/null", "/run/systemd/system/docker.service", &must_err));
	check();
	assert_verdict("services.masked", CHECK_FAIL);
	/* Docker is nothing to a host for pods alone. */
	spec.engine = ENGINE_CONTAINERD;
	check();
	assert_null(check_of("services.masked"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(a_masked_unit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
