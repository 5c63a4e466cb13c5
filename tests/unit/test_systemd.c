#include "host_fixture.h"

#include "host/systemd.h"

static const char DOCKER[] =
	"FragmentPath=/usr/lib/systemd/system/docker.service\n"
	"ExecStart={ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --x=y ; }\n"
	"MainPID=512\n"
	"ControlGroup=/x.slice/docker.service\n"
	"NeedDaemonReload=yes\n";

static void states_in_the_order_asked_for(void **state)
{
	static const char *const UNITS[] = { "docker.service", "none.service", "a.mount", NULL };
	_cleanup_(unit_states_release) struct unit_states states = { 0 };
	const struct unit_state *u;

	put_systemctl();
	put_unit("docker.service", "active", "enabled", DOCKER);
	put_unit("a.mount", "failed", "static", "MainPID=0\n");
	must(systemd_show(&host, UNITS, &states, &must_err));
	assert_int_equal(states.len, 3);
	u = unit_states_find(&states, "docker.service");
	assert_ptr_equal(u, &states.items[0]);
	assert_string_equal(u->load, "loaded");
	assert_string_equal(u->active, "active");
	assert_string_equal(u->sub, "running");
	assert_string_equal(u->enabled, "enabled");
	assert_string_equal(u->fragment, "/usr/lib/systemd/system/docker.service");
	assert_string_equal(u->exec_start,
			    "{ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// --x=y ; }");
	assert_int_equal(u->main_pid, 512);
	assert_string_equal(u->control_group, "/x.slice/docker.service");
	assert_true(u->needs_reload);
	assert_string_equal(states.items[1].load, "not-found");
	assert_string_equal(states.items[1].enabled, "");
	assert_true(unit_is(states.items[2].active, "failed"));
	assert_false(states.items[2].needs_reload);
	assert_null(unit_states_find(&states, "other.service"));
	assert_false(unit_is(NULL, "x"));
}

static void it_is_one_call(void **state)
{
	_cleanup_(unit_states_release) struct unit_states states = { 0 };
	const char *calls;

	put_systemctl();
	must(systemd_show_one(&host, "-strange.service", &states, &must_err));
	assert_int_equal(states.len, 1);
	calls = text_of("/calls");
	assert_says(calls, "ExecStart,MainPID,NeedDaemonReload,ControlGroup -- -strange.service\n");
	assert_ptr_equal(strchr(calls, '\n'), strrchr(calls, '\n'));
}

static void answers_that_are_odd(void **state)
{
	static const char *const UNITS[] = { "a.service", "b.service", NULL };
	_cleanup_(unit_states_release) struct unit_states states = { 0 };

	put_program("systemctl", "printf 'no equals\\n=x\\nMainPID=-1\\nActiveState=active\\n"
				 "ActiveState=failed\\nUnknown=1\\n\\n\\n\\nActiveState=third\\n'");
	must(systemd_show(&host, UNITS, &states, &must_err));
	assert_string_equal(states.items[0].active, "failed");
	assert_int_equal(states.items[0].main_pid, 0);
	assert_null(states.items[1].active);
	unit_states_release(&states);
	put_program("systemctl", "exit 0");
	must(systemd_show(&host, UNITS, &states, &must_err));
	assert_int_equal(states.len, 2);
	assert_null(states.items[0].load);
}

static void failures_are_told(void **state)
{
	struct unit_states states = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(systemd_show_one(&host, "a.service", &states, &err), -ENOENT);
	assert_says(err.message, "systemctl");
	put_program("systemctl", "echo 'Failed to connect to bus: No such file' >&2; exit 1");
	assert_int_equal(systemd_show_one(&host, "a.service", &states, &err), -EPROTO);
	assert_says(err.message, "ask systemd for the state of its units: ");
	assert_says(err.message, "Failed to connect to bus");
	assert_null(states.items);
}

static void verbs(void **state)
{
	static const char *const TWO[] = { "a.service", "b.service", NULL };
	struct error err = ERROR_INIT;

	put_systemctl();
	put_unit("a.service", "inactive", "disabled", "");
	must(systemd_verb_one(&host, "start", "a.service", 10000, &must_err));
	assert_true(unit_has("a.service", "ActiveState=active"));
	must(systemd_verb(&host, "daemon-reload", NULL, 10000, &must_err));
	assert_true(was_called("systemctl --quiet daemon-reload\n"));
	put_unit("b.service", "active", "enabled", "");
	must(systemd_verb(&host, "stop", TWO, 10000, &must_err));
	assert_true(was_called("systemctl --quiet stop a.service b.service\n"));
	assert_int_equal(systemd_verb_one(&host, "start", "none.service", 10000, &err), -EPROTO);
	assert_says(err.message, "systemctl start none.service: ");
	assert_says(err.message, "Unit none.service not found.");
}

static void a_verb_that_hangs(void **state)
{
	struct error err = ERROR_INIT;

	put_program("systemctl", "exec tail -f /dev/null");
	assert_int_equal(systemd_verb_one(&host, "start", "a.service", 100, &err), -ETIMEDOUT);
	assert_says(err.message, "systemctl start a.service: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(states_in_the_order_asked_for),
		host_test(it_is_one_call),
		host_test(answers_that_are_odd),
		host_test(failures_are_told),
		host_test(verbs),
		host_test(a_verb_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
