#include "change_fixture.h"

#define UNIT "sysbox.service"

static const struct change *plan_unit(const struct change_kind *kind, const char *unit)
{
	return plan_one(kind, unit, json_object());
}

/* Units change under the cache of the context when a test writes them. */
static void set_unit(const char *name, const char *active, const char *enabled)
{
	put_unit(name, active, enabled, "");
	context_changed(&ctx);
}

static void enabled_and_disabled(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "inactive", "disabled");
	c = plan_unit(&change_enable, UNIT);
	assert_string_equal(described(c), "+ " UNIT " at every boot\n");
	make_it_so(c);
	assert_true(unit_has(UNIT, "UnitFileState=enabled"));
	assert_null(plan_unit(&change_enable, UNIT));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(unit_has(UNIT, "UnitFileState=disabled"));
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void what_counts_as_enabled(void **state)
{
	static const char *const STATES[] = { "enabled", "static", "generated", "enabled-runtime" };
	static const char *const OTHERS[] = { "disabled", "masked", "indirect", "" };

	put_systemctl();
	for (size_t i = 0; i < ARRAY_SIZE(STATES); i++) {
		set_unit(UNIT, "inactive", STATES[i]);
		assert_null(plan_unit(&change_enable, UNIT));
	}
	for (size_t i = 0; i < ARRAY_SIZE(OTHERS); i++) {
		set_unit(UNIT, "inactive", OTHERS[i]);
		assert_non_null(plan_unit(&change_enable, UNIT));
	}
}

static void was_enabled_before(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "inactive", "disabled");
	c = plan_unit(&change_enable, UNIT);
	set_unit(UNIT, "inactive", "enabled");
	make_it_so(c);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
	assert_true(unit_has(UNIT, "UnitFileState=enabled"));
}

static void started_and_stopped(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "inactive", "enabled");
	c = plan_unit(&change_start, UNIT);
	assert_string_equal(described(c), "+ " UNIT " running\n");
	make_it_so(c);
	assert_true(unit_has(UNIT, "ActiveState=active"));
	assert_null(plan_unit(&change_start, UNIT));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(unit_has(UNIT, "ActiveState=inactive"));
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void started_again_though_it_runs(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "active", "enabled");
	c = plan_one(&change_start, UNIT, json_pack("{s:b}", "again", 1));
	assert_non_null(c);
	must(c->kind->capture(&ctx, c, &before, &must_err));
	must(c->kind->apply(&ctx, c, before, &after, &must_err));
	assert_true(was_called("systemctl --quiet start " UNIT));
	/* It ran before: it runs afterwards. */
	assert_int_equal(undo_it(c), UNDO_NOTHING);
	assert_true(unit_has(UNIT, "ActiveState=active"));
}

static void one_that_does_not_start(void **state)
{
	const struct change *c;
	struct error err = ERROR_INIT;

	put_systemctl();
	put_unit(UNIT, "failed", "enabled", "Broken=yes\n");
	c = plan_unit(&change_start, UNIT);
	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -EPROTO);
	assert_says(err.message, "systemctl start " UNIT);
	assert_says(err.message, "Job for " UNIT " failed.");
	assert_null(after);
}

static void stopped_and_started(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "active", "enabled");
	c = plan_unit(&change_stop, UNIT);
	assert_says(described(c), "- " UNIT " running");
	make_it_so(c);
	assert_true(unit_has(UNIT, "ActiveState=inactive"));
	assert_null(plan_unit(&change_stop, UNIT));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(unit_has(UNIT, "ActiveState=active"));
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void gone_when_it_should_run_again(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "active", "enabled");
	c = plan_unit(&change_stop, UNIT);
	make_it_so(c);
	assert_int_equal(unlink(real("/units/" UNIT)), 0);
	context_changed(&ctx);
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_says(strbuf_str(&why), "is not on this host any more");
}

/* In one go: its socket would start it at the first question. */
static void docker_and_its_socket(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit("docker.socket", "active", "enabled");
	put("/run/docker.sock", "");
	set_unit("docker.service", "inactive", "enabled");
	c = plan_unit(&change_start, "docker.service");
	make_it_so(c);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(was_called("stop docker.service docker.socket\n"));
	assert_true(unit_has("docker.service", "ActiveState=inactive"));
	assert_true(unit_has("docker.socket", "ActiveState=inactive"));
}

static void a_socket_whose_path_is_gone(void **state)
{
	put_systemctl();
	set_unit("docker.socket", "active", "enabled");
	set_unit("docker.service", "activating", "enabled");
	make_it_so(plan_unit(&change_start, "docker.service"));
	assert_true(was_called("stop docker.socket\n"));
	assert_true(unit_has("docker.service", "ActiveState=active"));
}

static void docker_stopped_for_a_while(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit("docker.socket", "active", "enabled");
	put("/run/docker.sock", "");
	set_unit("docker.service", "active", "enabled");
	c = plan_unit(&change_stop, "docker.service");
	make_it_so(c);
	assert_true(unit_has("docker.socket", "ActiveState=inactive"));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(unit_has("docker.service", "ActiveState=active"));
	assert_true(unit_has("docker.socket", "ActiveState=active"));
}

/* It was stopped with the mount that berth took away. */
static void sysbox_that_ran_before_comes_first(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit("sysbox.service", "active", "enabled");
	set_unit("docker.service", "active", "enabled");
	c = plan_unit(&change_stop, "docker.service");
	make_it_so(c);
	set_unit("sysbox.service", "inactive", "enabled");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(unit_has("sysbox.service", "ActiveState=active"));
	assert_true(was_called("start sysbox.service\n"));
}

/* One without a socket gets none. */
static void docker_without_a_socket(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit("docker.service", "active", "enabled");
	c = plan_unit(&change_stop, "docker.service");
	make_it_so(c);
	assert_true(was_called("stop docker.service\n"));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(was_called("start docker.socket"));
}

static void reloaded_once_before_the_next_verb(void **state)
{
	const char *reload;

	put_systemctl();
	set_unit(UNIT, "inactive", "disabled");
	ctx.reload_needed = true;
	make_it_so(plan_unit(&change_enable, UNIT));
	assert_false(ctx.reload_needed);
	reload = strstr(text_of("/calls"), "daemon-reload");
	assert_non_null(reload);
	assert_null(strstr(reload + 1, "daemon-reload"));
	assert_non_null(strstr(reload, "enable"));
}

static void states_are_asked_for_once(void **state)
{
	const struct unit_state *u;
	const char *calls;

	put_systemctl();
	set_unit(UNIT, "active", "enabled");
	must(context_unit(&ctx, UNIT, &u, &must_err));
	must(context_unit(&ctx, "docker.service", &u, &must_err));
	assert_string_equal(u->load, "not-found");
	must(context_unit(&ctx, UNIT, &u, &must_err));
	assert_string_equal(u->active, "active");
	calls = text_of("/calls");
	assert_ptr_equal(strchr(calls, '\n'), strrchr(calls, '\n'));
	/* One that is not among the usual ones is asked for besides, and kept. */
	set_unit("own.service", "failed", "enabled");
	must(context_unit(&ctx, "own.service", &u, &must_err));
	assert_string_equal(u->active, "failed");
	must(context_unit(&ctx, "own.service", &u, &must_err));
	assert_string_equal(u->name, "own.service");
}

static void without_systemctl(void **state)
{
	struct error err = ERROR_INIT;

	assert_int_equal(
		plan_add(&plan, &ctx, &change_start, UNIT, json_object(), NULL, NULL, &err),
		-ENOENT);
	assert_says(err.message, "ask systemd");
}

static int prepare(const struct change *c, struct error *err)
{
	return c->kind->prepare(&ctx, c, err);
}

/* A person is told before anything is changed. */
static void a_masked_unit_is_refused(void **state)
{
	static const struct change_kind *const KINDS[] = { &change_enable, &change_start };
	struct error err = ERROR_INIT;

	put_systemctl();
	set_unit(UNIT, "inactive", "disabled");
	must(prepare(plan_unit(&change_start, UNIT), &must_err));
	must(host_mkdirs(&host, "/run/systemd/system", 0755, NULL, &must_err));
	must(host_symlink(&host, "/dev/null", "/run/systemd/system/" UNIT, &must_err));
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		error_clear(&err);
		assert_int_equal(prepare(plan_unit(KINDS[i], UNIT), &err), -EPERM);
		assert_says(err.message, "'" UNIT "' is masked");
		assert_says(err.message, "systemctl unmask " UNIT);
	}
	assert_false(was_called("--quiet"));
}

/* A service of the host that was only down goes on when berth is gone. */
static void what_stays_is_not_stopped(void **state)
{
	const struct change *c;

	put_systemctl();
	set_unit(UNIT, "inactive", "enabled");
	c = plan_one(&change_start, UNIT, json_pack("{s:b}", "stays", 1));
	make_it_so(c);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
	assert_true(unit_has(UNIT, "ActiveState=active"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(enabled_and_disabled),
		change_test(what_counts_as_enabled),
		change_test(was_enabled_before),
		change_test(started_and_stopped),
		change_test(started_again_though_it_runs),
		change_test(one_that_does_not_start),
		change_test(stopped_and_started),
		change_test(gone_when_it_should_run_again),
		change_test(docker_and_its_socket),
		change_test(a_socket_whose_path_is_gone),
		change_test(docker_stopped_for_a_while),
		change_test(sysbox_that_ran_before_comes_first),
		change_test(docker_without_a_socket),
		change_test(reloaded_once_before_the_next_verb),
		change_test(states_are_asked_for_once),
		change_test(without_systemctl),
		change_test(a_masked_unit_is_refused),
		change_test(what_stays_is_not_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
