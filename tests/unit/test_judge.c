#include "step_fixture.h"

#include "change/failures.h"
#include "engine/crio.h"
#include "node/judge.h"
#include "sandbox/pool_dirs.h"
#include "sandbox/record.h"
#include "step/layout.h"

#define DROPIN_PATH UNIT_DIR "/sysbox-mgr.service.d/" DROPIN

static struct node node;

static int setup(void **state)
{
	int r = step_setup(state);

	node = (struct node){ .journal = JOURNAL_INIT, .unasked = true };
	must(spec_default(&node.spec, &must_err));
	must(host_open_root(host.root, &node.host, &must_err));
	node.journal.ever_verified = true;
	return r;
}

static int teardown(void **state)
{
	json_decref(node.ctx.facts.docker_info);
	host_release(&node.host);
	spec_release(&node.spec);
	return step_teardown(state);
}

static void add(const struct change_kind *kind, const char *target, json_t *want)
{
	struct change change = { .kind = kind, .want = want };

	change.step = strdup("services");
	change.target = strdup(target);
	plan.items = reallocarray(plan.items, plan.len + 1, sizeof(*plan.items));
	plan.items[plan.len++] = change;
}

static bool may(const struct change_kind *kind, const char *target, json_t *want, const char *says)
{
	char why[JUDGE_WHY_MAX];
	bool result;

	add(kind, target, want);
	result = judge_change(&node, &plan, &plan.items[plan.len - 1], why);
	plan_remove(&plan, plan.len - 1);
	if (!result)
		assert_says(why, says);
	return result;
}

static void docker_says(json_t *info)
{
	json_decref(node.ctx.facts.docker_info);
	node.ctx.facts.docker_running = true;
	node.ctx.facts.docker_info = info;
}

static void docker(json_int_t running, bool live)
{
	docker_says(json_pack("{s:I, s:b}", "ContainersRunning", running, "LiveRestoreEnabled", live));
}

static void what_is_quiet(void **state)
{
	assert_true(may(&change_file, "/etc/x", json_object(), ""));
	assert_true(may(&change_json, DAEMON_JSON, json_object(), ""));
	assert_true(may(&change_start, "docker.service", json_object(), ""));
	assert_true(may(&change_enable, "docker.service", json_object(), ""));
}

static void what_is_never_done(void **state)
{
	assert_false(may(&change_pool, "/var/lib/docker-xfs.img", json_object(), "never made anew"));
	assert_false(may(&change_move, DOCKER_DATA, json_object(), "only moved when somebody asks"));
	assert_false(may(&change_stop, "sysbox.service", json_object(), "under sandboxes"));
	/* On a host that was never proven it is an installation. */
	node.journal.ever_verified = false;
	assert_true(may(&change_pool, "/var/lib/docker-xfs.img", json_object(), ""));
}

static void docker_is_stopped_where_nothing_is_lost(void **state)
{
	assert_true(may(&change_stop, "docker.service", json_object(), "")); /* it does not run */
	docker(2, true);
	assert_false(may(&change_stop, "docker.service", json_object(), "a slot of the pool"));
	node.interrupts = true;
	assert_true(may(&change_stop, "docker.service", json_object(), ""));
	assert_false(may(&change_stop, "docker.service", json_pack("{s:b}", "containers", 1), "would stop"));
	docker(2, false);
	assert_false(may(&change_stop, "docker.service", json_object(), "without live-restore"));
	docker(0, false);
	assert_true(may(&change_stop, "docker.service", json_pack("{s:b}", "containers", 1), ""));
	json_decref(TAKE_PTR(node.ctx.facts.docker_info));
	assert_false(may(&change_stop, "docker.service", json_object(), "does not say"));
}

static void sysbox_is_started_behind_a_stash(void **state)
{
	assert_false(may(&change_start, "sysbox.service", json_object(), "nothing stashes it"));
	add(&change_file, DROPIN_PATH, json_object());
	assert_true(may(&change_start, "sysbox.service", json_object(), ""));
	plan_remove(&plan, 0);
	put(DROPIN_PATH, "");
	assert_true(may(&change_start, "sysbox.service", json_object(), ""));
	node.spec.agent.restart_sysbox = RESTART_SYSBOX_NEVER;
	assert_false(may(&change_start, "sysbox.service", json_object(), "'never'"));
}

static void a_kubelet_is_moved_where_it_disturbs_nobody(void **state)
{
	const char *const unit = "kubelet.service";

	assert_false(may(&change_kubelet_switch, unit, json_pack("{s:b}", "drain", 0), "only moved when somebody asks"));
	node.journal.ever_verified = false;
	assert_true(may(&change_kubelet_switch, unit, json_pack("{s:b}", "drain", 0), ""));
	/* A drain is one of the pool's disruptions, on a node that was never proven too. */
	assert_false(may(&change_kubelet_switch, unit, json_pack("{s:b}", "drain", 1), "a slot of the pool"));
	node.interrupts = true;
	assert_true(may(&change_kubelet_switch, unit, json_pack("{s:b}", "drain", 1), ""));
	assert_true(may(&change_crio_handler, "/etc/crio/crio.conf.d/50-berth.conf", json_object(), ""));
}

static void a_kubelet_that_was_moved_back_stays(void **state)
{
	_cleanup_json_ json_t *want = json_pack("{s:b, s:b}", "drain", 0, "there", 0), *other = json_pack("{s:b}", "drain", 1);
	const char *const unit = "kubelet.service";

	node.journal.ever_verified = false;
	node.spec.agent.give_up = 2;
	must(failures_add(&host, &change_kubelet_switch, want, &must_err));
	assert_true(may(&change_kubelet_switch, unit, json_copy(want), ""));
	(void)json_object_set_new(want, "there", json_true());
	must(failures_add(&host, &change_kubelet_switch, want, &must_err));
	assert_int_equal(failures(&host, &change_kubelet_switch, want), 2);
	assert_false(may(&change_kubelet_switch, unit, json_copy(want), "moved back too often"));
	/* Another move is another matter, and one that succeeds ends it. */
	assert_int_equal(failures(&host, &change_kubelet_switch, other), 0);
	must(failures_forget(&host, &change_kubelet_switch, &must_err));
	assert_true(may(&change_kubelet_switch, unit, json_pack("{s:b}", "drain", 0), ""));
}

/* Each try restarts the engine, on a node that was never proven too. */
static void a_handler_that_was_taken_back_is_left(void **state)
{
	static const struct change_kind *const KINDS[] = { &change_handler, &change_crio_handler };
	_cleanup_json_ json_t *want = json_pack("{s:s}", "handler", "sysbox-runc");

	node.spec.agent.give_up = 2;
	for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++) {
		node.journal.ever_verified = false;
		must(failures_add(&host, KINDS[i], want, &must_err));
		assert_true(may(KINDS[i], "/etc/x", json_copy(want), ""));
		must(failures_add(&host, KINDS[i], want, &must_err));
		assert_false(may(KINDS[i], "/etc/x", json_copy(want), "taken back too often"));
		/* Nor with a slot of the pool. */
		node.journal.ever_verified = node.interrupts = true;
		assert_false(may(KINDS[i], "/etc/x", json_copy(want), "taken back too often"));
		/* Another one is another matter, and each kind has its own count. */
		assert_true(may(KINDS[i], "/etc/x", json_pack("{s:s}", "handler", "other"), ""));
		must(failures_forget(&host, KINDS[i], &must_err));
		assert_true(may(KINDS[i], "/etc/x", json_copy(want), ""));
		node.interrupts = false;
		assert_false(may(KINDS[i], "/etc/x", json_copy(want), "a slot of the pool"));
	}
}

static void mask(const char *dir, const char *unit)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, unit);

	must(host_mkdirs(&host, dir, 0755, NULL, &must_err));
	must(host_symlink(&host, "/dev/null", path, &must_err));
}

static void a_masked_unit_stays_so(void **state)
{
	mask(UNIT_DIR, "docker.service");
	assert_false(may(&change_start, "docker.service", json_object(), JUDGE_MASKED "docker.service"));
	assert_false(may(&change_enable, "docker.service", json_object(), JUDGE_MASKED "docker.service"));
	assert_true(may(&change_enable, "sysbox.service", json_object(), ""));
	/* It may still run, and would not come back. */
	docker(0, true);
	node.interrupts = true;
	assert_false(may(&change_stop, "docker.service", json_object(), JUDGE_MASKED "docker.service"));
	/* `systemctl mask --runtime`. */
	mask("/run/systemd/system", "containerd.service");
	assert_false(may(&change_start, "containerd.service", json_object(), JUDGE_MASKED "containerd.service"));
	assert_false(may(&change_handler, "/etc/containerd/conf.d/50-berth.toml", json_pack("{s:s}", "unit", "containerd.service"),
			 JUDGE_MASKED "containerd.service"));
}

static void sysbox_is_not_started_without_one_half(void **state)
{
	put(DROPIN_PATH, "");
	mask("/run/systemd/system", "sysbox-fs.service");
	assert_false(may(&change_start, "sysbox.service", json_object(), JUDGE_MASKED "sysbox-fs.service"));
	assert_true(may(&change_enable, "sysbox.service", json_object(), ""));
	assert_true(may(&change_start, "docker.service", json_object(), ""));
}

static void packages_are_not_replaced(void **state)
{
	static const char STATUS[] =
		"Package: sysbox-ce\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.6.7\n\n";
	json_t *want = json_pack("{s:[s], s:[{s:s}]}", "packages", "fuse3", "files", "package", "sysbox-ce");

	assert_true(may(&change_packages, "packages", json_incref(want), ""));
	must(package_db_parse(STATUS, strlen(STATUS), &node.ctx.facts.packages, &must_err));
	assert_false(may(&change_packages, "packages", want, "only replaced when somebody asks"));
	package_db_release(&node.ctx.facts.packages);
}

/* Behind its kubelet; that the node is drained was seen to by the plan. */
static void crio_is_replaced_with_a_slot(void **state)
{
	static const char STATUS[] =
		"Package: cri-o\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.34.0-1.1\n\n";
	_cleanup_json_ json_t *named = json_pack("{s:[s]}", "packages", "cri-o"),
			      *file = json_pack("{s:[{s:s}]}", "files", "package", "cri-o");

	must(package_db_parse(STATUS, strlen(STATUS), &node.ctx.facts.packages, &must_err));
	for (int slot = 0; slot < 2; slot++) {
		const char *says = slot ? "" : JUDGE_INTERRUPTS;

		node.interrupts = slot;
		assert_int_equal(may(&change_packages, "packages", json_incref(named), says), slot);
		assert_int_equal(may(&change_packages, "packages", json_incref(file), says), slot);
		assert_int_equal(may(&change_crio_restart, CRIO_UNIT, json_object(), says), slot);
	}
	package_db_release(&node.ctx.facts.packages);
}

static bool may_replace(const char *says)
{
	return may(&change_stop, SYSBOX_SERVICE, json_pack("{s:b}", "replaced", 1), says);
}

static void docker_has(json_int_t containers)
{
	docker_says(json_pack("{s:I}", "Containers", containers));
}

/* Each reason but the first is a matter of time, and the pool's slot is asked for last. */
static void sysbox_is_replaced_where_no_sandbox_loses(void **state)
{
	const struct record record = { .project = 7, .running = true, .boot = record_boot() };
	_cleanup_fd_ int pool = -EBADF;

	assert_false(may_replace("only replaced when somebody asks"));
	node.spec.agent.replace_sysbox = REPLACE_SYSBOX_IDLE;
	assert_false(may_replace(JUDGE_WAITS "until Docker says"));
	docker_has(2);
	assert_false(may_replace(JUDGE_WAITS "until Docker has no container any more: it has 2"));
	docker_has(0);
	assert_false(may_replace(JUDGE_WAITS "until it can be told"));
	put(POOL_DIR "/" POOL_SANDBOXES "/.x", "");
	assert_false(may_replace(JUDGE_WAITS JUDGE_SLOT));
	node.interrupts = true;
	assert_true(may_replace(""));
	must(pool = host_open(&host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0));
	must(record_write(pool, "0123456789ab", &record, &must_err));
	assert_false(may_replace(JUDGE_WAITS "until no sandbox runs any more: 1 do"));
	node.spec.agent.replace_sysbox = REPLACE_SYSBOX_DRAIN;
	assert_true(may_replace(""));
	(void)snprintf(node.replace_waits, sizeof(node.replace_waits), "until it is drained: x");
	assert_false(may_replace(JUDGE_WAITS "until it is drained: x"));
}

static unsigned told;

static void left(void *userdata, const struct change *change, const char *why)
{
	(void)userdata;
	assert_true(*why);
	assert_ptr_equal(change->kind, &change_stop);
	told++;
}

/* What was not stopped is not started again; the rest stays. */
static void a_plan_is_sifted(void **state)
{
	unsigned masked;

	docker(1, false);
	node.observer.left = left;
	add(&change_stop, "docker.service", json_object());
	add(&change_json, DAEMON_JSON, json_object());
	add(&change_start, "docker.service", json_pack("{s:b}", "again", 1));
	add(&change_enable, "docker.service", json_object());
	assert_int_equal(judge_plan(&node, &plan, &masked), 1);
	assert_int_equal(masked, 0);
	assert_int_equal(told, 1);
	assert_int_equal(plan.len, 2);
	assert_ptr_equal(plan.items[0].kind, &change_json);
	assert_ptr_equal(plan.items[1].kind, &change_enable);
}

/* Nor what would have stopped with it. */
static void what_stops_with_another_goes_with_it(void **state)
{
	unsigned masked;

	add(&change_stop, SYSBOX_SERVICE, json_pack("{s:b}", "replaced", 1));
	add(&change_start, SYSBOX_SERVICE, json_pack("{s:b, s:s}", "again", 1, "with", SYSBOX_SERVICE));
	add(&change_start, STASH_SERVICE, json_pack("{s:b, s:s}", "again", 1, "with", SYSBOX_SERVICE));
	assert_int_equal(judge_plan(&node, &plan, &masked), 1);
	assert_int_equal(plan.len, 0);
}

/* What somebody has masked is left, and nothing else for that. */
static void masks_are_counted(void **state)
{
	unsigned masked;

	mask(UNIT_DIR, "docker.service");
	add(&change_enable, "docker.service", json_object());
	add(&change_start, "docker.service", json_object());
	add(&change_move, DOCKER_DATA, json_object());
	add(&change_enable, "sysbox.service", json_object());
	assert_int_equal(judge_plan(&node, &plan, &masked), 3);
	assert_int_equal(masked, 2);
	assert_int_equal(plan.len, 1);
	assert_string_equal(plan.items[0].target, "sysbox.service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_never_done, setup, teardown),
		cmocka_unit_test_setup_teardown(docker_is_stopped_where_nothing_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(sysbox_is_started_behind_a_stash, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kubelet_is_moved_where_it_disturbs_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kubelet_that_was_moved_back_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_handler_that_was_taken_back_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_masked_unit_stays_so, setup, teardown),
		cmocka_unit_test_setup_teardown(sysbox_is_not_started_without_one_half, setup, teardown),
		cmocka_unit_test_setup_teardown(masks_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(packages_are_not_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(crio_is_replaced_with_a_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(sysbox_is_replaced_where_no_sandbox_loses, setup, teardown),
		cmocka_unit_test_setup_teardown(what_stops_with_another_goes_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_plan_is_sifted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
