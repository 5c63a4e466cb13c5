#include "host_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "agent/look.h"

#define GROUP "/sys/fs/cgroup"

static struct spec spec;
static struct daemon_places places;
static struct sight sight;
static pid_t daemons[DAEMON_COUNT];

/* A process of that name, as the kernel has it. */
static pid_t begin(const char *name)
{
	int pipes[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, name);
		(void)!write(pipes[1], "x", 1);
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	return pid;
}

static void put_group(const char *group, const pid_t *pids, size_t n)
{
	_cleanup_free_ char *path = xasprintf(GROUP "%s/cgroup.procs", group);
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_printf(&text, "%d\n", (int)pids[i]);
	put(path, strbuf_str(&text));
}

static void drop_group(const char *group)
{
	_cleanup_free_ char *path = xasprintf(GROUP "%s/cgroup.procs", group);

	assert_int_equal(unlink(real(path)), 0);
}

/* All four at work, each where systemd puts it by itself. */
static int setup(void **state)
{
	int r = test_setup(state);

	must(spec_default(&spec, &must_err));
	for (int i = 0; i < DAEMON_COUNT; i++) {
		_cleanup_free_ char *group = xasprintf("/system.slice/%s", daemon_rules[i].unit);
		_cleanup_free_ char *unit = xasprintf("/usr/lib/systemd/system/%s", daemon_rules[i].unit);

		daemons[i] = begin(daemon_rules[i].program);
		put_group(group, &daemons[i], 1);
		put(unit, "[Service]\n");
	}
	put_systemctl();
	return r;
}

static int teardown(void **state)
{
	for (int i = 0; i < DAEMON_COUNT; i++) {
		(void)kill(daemons[i], SIGKILL);
		(void)waitpid(daemons[i], NULL, 0);
	}
	daemon_places_release(&places);
	spec_release(&spec);
	return test_teardown(state);
}

static void look_now(void)
{
	look(&host, &spec, &places, &sight);
}

static unsigned questions(void)
{
	unsigned n = 0;

	for (const char *p = text_of("/calls"); (p = strstr(p, "systemctl show")); p++)
		n++;
	return n;
}

static void where_they_always_are(void **state)
{
	look_now();
	for (int i = 0; i < DAEMON_COUNT; i++)
		assert_int_equal(sight.pids[i], daemons[i]);
	assert_false(sight.is[FAULT_DOCKER_DEAD] || sight.is[FAULT_CONTAINERD_DEAD] || sight.is[FAULT_SYSBOX_DEAD]);
	assert_int_equal(questions(), 0);
}

/* Slice=x.slice in a drop-in of the unit. */
static void in_a_slice_of_its_own(void **state)
{
	drop_group("/system.slice/docker.service");
	put_group("/x.slice/docker.service", &daemons[DAEMON_DOCKER], 1);
	put_unit("docker.service", "active", "enabled", "ControlGroup=/x.slice/docker.service\n");
	look_now();
	assert_int_equal(sight.pids[DAEMON_DOCKER], daemons[DAEMON_DOCKER]);
	assert_false(sight.is[FAULT_DOCKER_DEAD]);
	look_now();
	assert_int_equal(sight.pids[DAEMON_DOCKER], daemons[DAEMON_DOCKER]);
	assert_int_equal(questions(), 1);
	/* It dies there: told at once, without a program to run. */
	drop_group("/x.slice/docker.service");
	look_now();
	assert_true(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 1);
}

static void put_into_a_slice_while_it_was_watched(void **state)
{
	look_now();
	drop_group("/system.slice/docker.service");
	put_group("/x.slice/x-y.slice/docker.service", &daemons[DAEMON_DOCKER], 1);
	put_unit("docker.service", "active", "enabled", "ControlGroup=/x.slice/x-y.slice/docker.service\n");
	look_now(); /* it has just died, for all that is known */
	assert_true(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 0);
	look_now();
	assert_false(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 1);
}

static void below_its_own_group(void **state)
{
	_cleanup_free_ char *show = xasprintf("ControlGroup=/system.slice/docker.service\nMainPID=%d\n",
					      (int)daemons[DAEMON_DOCKER]);

	drop_group("/system.slice/docker.service");
	put_group("/system.slice/docker.service/main", &daemons[DAEMON_DOCKER], 1);
	put_unit("docker.service", "active", "enabled", show);
	look_now();
	assert_int_equal(sight.pids[DAEMON_DOCKER], daemons[DAEMON_DOCKER]);
	look_now();
	assert_false(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 1);
}

/* Its descriptor tells of its end before systemd takes note of it: MainPID is its number, and it has its name. */
static void one_that_has_just_ended(void **state)
{
	_cleanup_free_ char *show = xasprintf("ControlGroup=/system.slice/docker.service\nMainPID=%d\n",
					      (int)daemons[DAEMON_DOCKER]);
	siginfo_t info;

	drop_group("/system.slice/docker.service");
	put_unit("docker.service", "active", "enabled", show);
	look_now();
	look_now();
	assert_int_equal(sight.pids[DAEMON_DOCKER], daemons[DAEMON_DOCKER]);
	assert_int_equal(kill(daemons[DAEMON_DOCKER], SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)daemons[DAEMON_DOCKER], &info, WEXITED | WNOWAIT), 0);
	look_now();
	assert_true(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(sight.pids[DAEMON_DOCKER], 0);
}

/* Dead for long: systemd is not asked at each event. */
static void questions_are_few(void **state)
{
	drop_group("/system.slice/docker.service");
	for (int i = 0; i < 50; i++)
		look_now();
	assert_true(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 1);
}

static void containerd_as_a_child_of_dockerd(void **state)
{
	const pid_t both[] = { daemons[DAEMON_DOCKER], daemons[DAEMON_CONTAINERD] };

	drop_group("/system.slice/containerd.service");
	look_now();
	assert_true(sight.is[FAULT_CONTAINERD_DEAD]);
	put_group("/system.slice/docker.service", both, 2);
	look_now();
	assert_false(sight.is[FAULT_CONTAINERD_DEAD]);
	assert_int_equal(sight.pids[DAEMON_CONTAINERD], daemons[DAEMON_CONTAINERD]);
}

static void masked(const char *dir, const char *unit)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, unit);

	must(host_mkdirs(&host, dir, 0755, NULL, &must_err));
	must(host_symlink(&host, "/dev/null", path, &must_err));
}

static void masked_until_the_next_boot(void **state)
{
	masked("/run/systemd/system", "docker.service");
	drop_group("/system.slice/docker.service");
	look_now();
	assert_true(sight.is[FAULT_UNIT_MASKED]);
	assert_says(sight.detail[FAULT_UNIT_MASKED], "docker.service is masked");
	assert_false(sight.is[FAULT_DOCKER_DEAD]);
	assert_int_equal(questions(), 0);
}

/* sysbox-fs goes with sysbox-mgr, and is not started without it: that is the mask's doing. */
static void one_half_of_sysbox_is_masked(void **state)
{
	masked("/etc/systemd/system", "sysbox-mgr.service");
	drop_group("/system.slice/sysbox-mgr.service");
	drop_group("/system.slice/sysbox-fs.service");
	look_now();
	assert_true(sight.is[FAULT_UNIT_MASKED]);
	assert_says(sight.detail[FAULT_UNIT_MASKED], "sysbox-mgr.service is masked");
	assert_false(sight.is[FAULT_SYSBOX_DEAD]);
}

#define look_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		look_test(where_they_always_are),
		look_test(in_a_slice_of_its_own),
		look_test(put_into_a_slice_while_it_was_watched),
		look_test(below_its_own_group),
		look_test(one_that_has_just_ended),
		look_test(questions_are_few),
		look_test(containerd_as_a_child_of_dockerd),
		look_test(masked_until_the_next_boot),
		look_test(one_half_of_sysbox_is_masked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
