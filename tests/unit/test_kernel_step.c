#include "step_fixture.h"

#define MODULES_FILE "/etc/modules-load.d/berth.conf"
#define SYSCTL_FILE  "/etc/sysctl.d/99-zz-berth.conf"

/* As a fresh Debian has them; a modprobe that loads what it is asked for. */
static void put_kernel(void)
{
	put("/proc/sys/fs/inotify/max_queued_events", "16384\n");
	put("/proc/sys/fs/inotify/max_user_watches", "63518\n");
	put("/proc/sys/fs/inotify/max_user_instances", "128\n");
	put("/proc/sys/kernel/keys/maxkeys", "200\n");
	put("/proc/sys/kernel/pid_max", "4194304\n");
	put("/proc/sys/vm/max_map_count", "2000000\n");
	put("/lib/modules/6.1.0-26-amd64/modules.dep",
	    "kernel/fs/overlayfs/overlay.ko:\nkernel/drivers/net/vxlan/vxlan.ko.xz: x.ko\n");
	put("/lib/modules/6.1.0-26-amd64/modules.builtin", "kernel/fs/configfs2.ko\n");
	put("/proc/filesystems", "nodev\ttmpfs\n\text4\n");
	put_program("modprobe", "mkdir -p \"$HOST_ROOT/sys/module/$2\"");
}

static void plan_all(void)
{
	must(plan_step(&step_kernel, &must_err));
}

static void modules_now_and_at_boot(void **state)
{
	put_kernel();
	plan_all();
	assert_non_null(plan_find(&plan, &change_module, "overlay"));
	assert_non_null(plan_find(&plan, &change_module, "vxlan"));
	assert_null(plan_find(&plan, &change_module, "configfs")); /* this kernel has none */
	carry_out();
	assert_true(is_there("/sys/module/xfs"));
	assert_text(MODULES_FILE, "# Written by berth: modules that sandboxes need.\n"
				  "overlay\nfuse\nloop\nxfs\nvxlan\n");
	assert_true(was_called("modprobe -- overlay\n"));
}

static void loaded_ones_are_left_alone(void **state)
{
	put_kernel();
	must(host_mkdirs(&host, "/sys/module/overlay", 0755, NULL, &must_err));
	put("/proc/filesystems", "nodev\ttmpfs\n\txfs\nnodev\tfuse\n");
	plan_all();
	assert_null(plan_find(&plan, &change_module, "overlay"));
	assert_null(plan_find(&plan, &change_module, "xfs"));
	assert_null(plan_find(&plan, &change_module, "fuse"));
	assert_non_null(plan_find(&plan, &change_module, "loop"));
}

static void one_that_cannot_be_loaded(void **state)
{
	const struct change *c;
	struct error err = ERROR_INIT;
	json_t *after = NULL;

	put_kernel();
	put_program("modprobe",
		    "echo 'Module xfs not found in directory /lib/modules' >&2; exit 1");
	plan_all();
	c = plan_find(&plan, &change_module, "xfs");
	assert_int_equal(c->kind->apply(&step.change, c, NULL, &after, &err), -EPROTO);
	assert_says(err.message, "load the kernel module xfs");
	assert_says(err.message, "not found in directory");
}

static void settings_are_raised(void **state)
{
	put_kernel();
	plan_all();
	assert_null(plan_find(&plan, &change_sysctl, "kernel.unprivileged_userns_clone"));
	assert_null(plan_find(&plan, &change_sysctl, "vm.max_map_count"));
	carry_out();
	assert_text("/proc/sys/fs/inotify/max_user_watches", "1048576\n");
	assert_text("/proc/sys/fs/inotify/max_user_instances", "1048576\n");
	assert_text("/proc/sys/kernel/keys/maxkeys", "20000\n");
	assert_text("/proc/sys/vm/max_map_count", "2000000\n");
	assert_text(SYSCTL_FILE, "# Written by berth: settings that sandboxes need; raised, never "
				 "lowered.\n"
				 "fs.inotify.max_queued_events = 1048576\n"
				 "fs.inotify.max_user_watches = 1048576\n"
				 "fs.inotify.max_user_instances = 1048576\n"
				 "kernel.keys.maxkeys = 20000\n"
				 "kernel.pid_max = 4194304\n"
				 "vm.max_map_count = 2000000\n");
}

static void a_second_plan_is_empty(void **state)
{
	put_kernel();
	plan_all();
	assert_true(plan.len > 0);
	carry_out();
	plan_all();
	assert_int_equal(plan.len, 0);
}

/* After a boot the kernel has what the file says: still nothing to do, and nothing lowered. */
static void what_was_higher_stays_at_boot(void **state)
{
	put_kernel();
	plan_all();
	carry_out();
	put("/proc/sys/vm/max_map_count", "262144\n"); /* somebody lowered it meanwhile */
	plan_all();
	assert_int_equal(plan.len, 0);
	assert_says(text_of(SYSCTL_FILE), "vm.max_map_count = 2000000\n");
	/* Below what is needed it is raised again. */
	put("/proc/sys/vm/max_map_count", "65530\n");
	plan_all();
	assert_int_equal(plan.len, 1);
	assert_non_null(plan_find(&plan, &change_sysctl, "vm.max_map_count"));
}

static void numbers_that_are_none(void **state)
{
	put_kernel();
	put("/proc/sys/vm/max_map_count", "lots\n");
	plan_all();
	assert_null(plan_find(&plan, &change_sysctl, "vm.max_map_count"));
	carry_out();
	assert_null(strstr(text_of(SYSCTL_FILE), "max_map_count"));
}

static void a_damaged_file_of_ours_is_written_anew(void **state)
{
	put_kernel();
	plan_all();
	carry_out();
	put(SYSCTL_FILE, "kernel.pid_max = 99999999999999999999\nvm.max_map_count = \n");
	plan_all();
	carry_out();
	assert_says(text_of(SYSCTL_FILE), "kernel.pid_max = 4194304\n");
	assert_says(text_of(SYSCTL_FILE), "vm.max_map_count = 2000000\n");
}

static void verification(void **state)
{
	put_kernel();
	must(step_kernel.verify(&step, &report, &must_err));
	assert_int_equal(report_count(&report, CHECK_FAIL), 4);
	assert_string_equal(report.items[0].text,
			    "fs.inotify.max_queued_events is 16384, sandboxes "
			    "need 1048576");
	report_release(&report);
	plan_all();
	carry_out();
	must(step_kernel.verify(&step, &report, &must_err));
	assert_int_equal(report.len, 1);
	assert_verdict("kernel.settings", CHECK_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(modules_now_and_at_boot),
		step_test(loaded_ones_are_left_alone),
		step_test(one_that_cannot_be_loaded),
		step_test(settings_are_raised),
		step_test(a_second_plan_is_empty),
		step_test(what_was_higher_stays_at_boot),
		step_test(numbers_that_are_none),
		step_test(a_damaged_file_of_ours_is_written_anew),
		step_test(verification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
