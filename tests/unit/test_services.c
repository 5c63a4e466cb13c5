#include "step_fixture.h"

#include "engine/docker.h"

#define CONTAINERD "containerd.service"

/* A Docker host at work; its containerd is what a test makes it. */
static void put_host(const char *active, const char *enabled)
{
	put_unit("sysbox.service", "active", "enabled", "");
	put_unit("berth-stash.service", "active", "enabled", "");
	put_unit("docker.service", "active", "enabled", "");
	put_unit(CONTAINERD, active, enabled, "");
}

static const struct change *planned(void)
{
	must(plan_step(&step_services, &must_err));
	return plan_find(&plan, &change_start, CONTAINERD);
}

static void containerd_is_started_before_docker(void **state)
{
	put_host("inactive", "enabled");
	put_unit("docker.service", "inactive", "enabled", "");
	assert_non_null(planned());
	assert_int_equal(plan.len, 2);
	assert_ptr_equal(plan.items[0].kind, &change_start);
	assert_string_equal(plan.items[0].target, CONTAINERD);
	assert_string_equal(plan.items[1].target, "docker.service");
	carry_out();
	context_changed(&step.change);
	assert_null(planned());
	assert_int_equal(plan.len, 0);
}

static void containerd_that_is_not_to_be_started(void **state)
{
	static const struct {
		const char *active, *enabled, *more;
	} TABLE[] = {
		{ "active", "enabled", "" },	/* it runs */
		{ "inactive", "disabled", "" }, /* somebody has decided so */
		{ "inactive", "masked", "LoadState=masked\n" },
		{ "inactive", "", "LoadState=not-found\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		put_host(TABLE[i].active, TABLE[i].enabled);
		put_unit(CONTAINERD, TABLE[i].active, TABLE[i].enabled, TABLE[i].more);
		assert_null(planned());
	}
	put_host("inactive", "enabled");
	put(DOCKERS_OWN_CONTAINERD, "");
	assert_null(planned());
	assert_int_equal(unlink(real(DOCKERS_OWN_CONTAINERD)), 0);
	assert_non_null(planned());
	spec.engine = ENGINE_CONTAINERD;
	assert_null(planned());
}

/* A node's own, whose kubelet may only be down for a moment. */
static void containerd_of_a_kubelet(void **state)
{
	static const char OTHER_ENGINE[] = "kubelet\0--container-runtime-endpoint=unix:///run/cri-dockerd.sock";

	put_host("inactive", "enabled");
	put_unit("kubelet.service", "inactive", "enabled", "");
	context_changed(&step.change);
	assert_null(planned());
	put_unit("kubelet.service", "inactive", "disabled", "");
	context_changed(&step.change);
	assert_non_null(planned());
	put("/proc/77/comm", "kubelet\n");
	put_bytes("/proc/77/cmdline", OTHER_ENGINE, sizeof(OTHER_ENGINE), 0644);
	assert_non_null(planned());
	put("/proc/77/cmdline", "kubelet");
	assert_null(planned());
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
		step_test(containerd_is_started_before_docker),
		step_test(containerd_that_is_not_to_be_started),
		step_test(containerd_of_a_kubelet),
		step_test(a_masked_unit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
