#include "step_fixture.h"

#include "step/layout.h"

/* All members that sandboxes need, as a plan sets them on a bare host. */
static const char ALL[] =
	"{\"bip\":\"172.24.0.1/16\",\"default-address-pools\":[{\"base\":\"172.25.0.0/16\",\"size\":24}],"
	"\"default-runtime\":\"sysbox-runc\",\"features\":{\"containerd-snapshotter\":false},"
	"\"live-restore\":true,\"log-driver\":\"json-file\","
	"\"log-opts\":{\"max-file\":\"3\",\"max-size\":\"10m\"},"
	"\"runtimes\":{\"sysbox-runc\":{\"path\":\"/usr/local/lib/berth/berth-runc\"}},"
	"\"storage-driver\":\"overlay2\"}";

static void set_flags(const char *flags)
{
	_cleanup_free_ char *line = xasprintf(
		"ExecStart={ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd %s ; pid=0 }\n",
		flags);

	put_unit("docker.service", "inactive", "enabled", line);
}

/* The file as the plan makes it of `theirs` (NULL: none), one line with sorted keys. */
static char *made_of(const char *theirs)
{
	_cleanup_json_ json_t *value = NULL;

	if (theirs)
		put(DAEMON_JSON, theirs);
	must(plan_step(&step_daemon_json, &must_err));
	carry_out();
	must(json_parse(text_of(DAEMON_JSON), strlen(text_of(DAEMON_JSON)), "it", &value,
			&must_err));
	/* What was carried out needs no second time. */
	must(plan_step(&step_daemon_json, &must_err));
	assert_int_equal(plan.len, 0);
	return json_line(value);
}

static void on_a_bare_host(void **state)
{
	_cleanup_free_ char *made = made_of(NULL);

	assert_string_equal(made, ALL);
	assert_int_equal(mode_of(DAEMON_JSON), 0644);
}

static void as_the_settings_say(void **state)
{
	_cleanup_free_ char *made = NULL;

	spec.docker.default_runtime = false;
	spec.docker.live_restore = false;
	spec.docker.log_max_file = 9;
	spec.docker.pool_size = 26;
	made = made_of("{\"storage-driver\": \"overlay2\"}");
	assert_null(strstr(made, "default-runtime"));
	assert_says(made, "\"live-restore\":false");
	assert_says(made, "\"max-file\":\"9\"");
	assert_says(made, "\"size\":26");
}

/* A user's file; a member that must be there afterwards, and one that must not ("-" before it). */
static const struct {
	const char *theirs, *member;
} FILES[] = {
	{ "", "\"bip\":\"172.24.0.1/16\"" },
	{ "{}", "\"bip\":\"172.24.0.1/16\"" },
	{ "{\"bip\": \"10.9.0.1/24\"}", "\"bip\":\"10.9.0.1/24\"" },
	{ "{\"bridge\": \"none\"}", "-\"bip\"" },
	{ "{\"bridge\": \"none\"}", "\"default-address-pools\"" },
	{ "{\"fixed-cidr\": \"172.17.1.0/24\"}", "-\"bip\"" },
	{ "{\"default-address-pools\": []}", "\"default-address-pools\":[]" },
	{ "{\"live-restore\": false}", "\"live-restore\":false" },
	{ "{\"log-driver\": \"journald\"}", "\"log-driver\":\"journald\"" },
	{ "{\"log-driver\": \"journald\"}", "-\"log-opts\"" },
	{ "{\"log-driver\": 5}", "-\"log-opts\"" },
	{ "{\"log-driver\": \"json-file\"}", "\"max-size\":\"10m\"" },
	{ "{\"log-opts\": {\"max-size\": \"50m\"}}",
	  "\"log-opts\":{\"max-file\":\"3\",\"max-size\":\"50m\"}" },
	{ "{\"default-runtime\": \"runc\"}", "\"default-runtime\":\"sysbox-runc\"" },
	{ "{\"runtimes\": {\"gvisor\": {\"path\": \"/g\"}}}",
	  "\"runtimes\":{\"gvisor\":{\"path\":\"/g\"},\"sysbox-runc\":{\"path\":\"/usr/local/lib/berth/berth-runc\"}}" },
	{ "{\"runtimes\": {\"sysbox-runc\": {\"path\": \"/usr/local/sbin/sysbox-runc\"}}}",
	  "\"sysbox-runc\":{\"path\":\"/usr/local/lib/berth/berth-runc\"}" },
	{ "{\"runtimes\": {\"sysbox-runc\": {\"path\": \"/usr/local/lib/berth/berth-runc\", \"runtimeArgs\": []}}}",
	  "\"sysbox-runc\":{\"path\":\"/usr/local/lib/berth/berth-runc\",\"runtimeArgs\":[]}" },
	{ "{\"features\": {\"buildkit\": true}}",
	  "\"features\":{\"buildkit\":true,\"containerd-snapshotter\":false}" },
	{ "{\"data-root\": \"/var/lib/docker\"}", "\"storage-driver\":\"overlay2\"" },
	{ "{\"userns-remap\": \"sysbox\", \"dns\": [\"9.9.9.9\"]}", "\"userns-remap\":\"sysbox\"" },
};

static void beside_what_the_user_has(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(FILES); i++) {
		_cleanup_free_ char *made = made_of(FILES[i].theirs);
		bool absent = *FILES[i].member == '-';

		if (!strstr(made, FILES[i].member + absent) != absent)
			fail_msg("'%s': '%s' in %s", FILES[i].theirs, FILES[i].member, made);
	}
}

/* Flags of dockerd's command line; what must or ("-") must not be in the file beside them. */
static const struct {
	const char *flags, *member;
} FLAGS[] = {
	{ "-H fd://", "\"bip\":" },
	{ "-H fd://", "-\"hosts\"" },
	{ "--bip=169.254.123.1/24", "-\"bip\"" },
	{ "--bridge=none", "-\"bip\"" },
	{ "-b none", "-\"bip\"" },
	{ "--fixed-cidr=10.1.0.0/24", "-\"bip\"" },
	{ "--live-restore", "-\"live-restore\"" },
	{ "--log-driver=journald", "-\"log-" },
	{ "--log-driver=json-file", "-\"log-" },
	{ "--log-opt max-size=5m", "-\"log-opts\"" },
	{ "--log-opt max-size=5m", "\"log-driver\":\"json-file\"" },
	{ "--default-address-pool base=10.0.0.0/8,size=24", "-\"default-address-pools\"" },
	{ "--storage-driver=overlay2", "-\"storage-driver\"" },
	{ "-s overlay2", "-\"storage-driver\"" },
	{ "--default-runtime=sysbox-runc", "-\"default-runtime\"" },
	{ "--data-root=/var/lib/docker", "-\"data-root\"" },
	{ "-p /var/run/docker.pid --iptables=false --ip-masq=false --bip=169.254.123.1/24 "
	  "--log-driver=json-file --log-opt=max-size=10m --log-opt=max-file=5 --live-restore "
	  "--insecure-registry 10.0.0.0/8 --storage-driver=overlay2",
	  "\"default-runtime\":\"sysbox-runc\"" },
};

static void beside_flags(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(FLAGS); i++) {
		_cleanup_free_ char *made = NULL;
		bool absent = *FLAGS[i].member == '-';

		set_flags(FLAGS[i].flags);
		made = made_of("{}");
		if (!strstr(made, FLAGS[i].member + absent) != absent)
			fail_msg("'%s': '%s' in %s", FLAGS[i].flags, FLAGS[i].member, made);
	}
}

/* systemctl shows "$DOCKER_OPTS" as it stands in the unit; its flags count all the same. */
static void beside_flags_of_the_environment(void **state)
{
	_cleanup_free_ char *made = NULL;

	set_flags("-H fd:// $DOCKER_OPTS");
	put("/etc/default/docker", "# theirs\nDOCKER_OPTS=\"--log-driver=journald --bip=10.9.0.1/24\"\n");
	made = made_of("{}");
	assert_null(strstr(made, "log-driver"));
	assert_null(strstr(made, "\"bip\""));
}

static void beside_flags_of_sysconfig(void **state)
{
	_cleanup_free_ char *made = NULL;

	set_flags("--host=fd:// $OPTIONS");
	put("/etc/sysconfig/docker", "OPTIONS=\"--selinux-enabled \\\n  --log-driver=journald \\\n"
				     "  --live-restore \\\n\"\nOPTIONSX=--bip=10.9.0.1/24\n");
	made = made_of("{}");
	assert_null(strstr(made, "log-driver"));
	assert_null(strstr(made, "live-restore"));
	assert_non_null(strstr(made, "\"bip\""));
}

static void conflicts_are_refused_in_words(void **state)
{
	static const struct {
		const char *theirs, *flags, *says;
	} TABLE[] = {
		{ "{\"storage-driver\": \"btrfs\"}", "",
		  "'/etc/docker/daemon.json' has storage-driver = \"btrfs\", which sandboxes cannot run "
		  "with: images under another driver would be out of sight" },
		{ "{\"storage-driver\": \"vfs\"}", "", "remove that member once nothing under it" },
		{ "{\"features\": {\"containerd-snapshotter\": true}}", "",
		  "containerd-snapshotter = true" },
		{ "{\"data-root\": \"/mnt/docker\"}", "", "data-root = \"/mnt/docker\"" },
		{ "{\"data-root\": 5}", "", "data-root = 5" },
		{ "{\"graph\": \"/mnt/docker\"}", "", "\"/mnt/docker\"" },
		{ "{}", "--data-root=/mnt/docker",
		  "sets --data-root=/mnt/docker, but the pool is mounted" },
		{ "{}", "-g /mnt/docker", "/mnt/docker" },
		{ "{}", "--storage-driver=zfs", "sets --storage-driver=zfs" },
		{ "{}", "--default-runtime=runc", "take it off the command line first" },
		{ "{}", "--add-runtime gvisor=/g", "would keep it from starting" },
		{ "{\"debug\": }", "", "'/etc/docker/daemon.json'" },
		{ "{\"debug\": }", "", "berth leaves the file as it is: mend it" },
		{ "[]", "", "is not a JSON object" },
		{ "{\"a\": 1, \"a\": 2}", "", "mend it" },
		{ "{\"log-opts\": []}", "", "log-opts" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		struct error err = ERROR_INIT;

		put(DAEMON_JSON, TABLE[i].theirs);
		set_flags(TABLE[i].flags);
		if (plan_step(&step_daemon_json, &err) >= 0)
			fail_msg("'%s' beside '%s' is taken", TABLE[i].theirs, TABLE[i].flags);
		assert_says(err.message, TABLE[i].says);
		assert_text(DAEMON_JSON, TABLE[i].theirs);
	}
}

static void not_a_file(void **state)
{
	struct error err = ERROR_INIT;

	must(host_mkdirs(&host, DAEMON_JSON, 0755, NULL, &must_err));
	assert_int_equal(plan_step(&step_daemon_json, &err), -EISDIR);
	assert_says(err.message, "'" DAEMON_JSON "'");
	assert_int_equal(host_rmdir(&host, DAEMON_JSON), 0);
	assert_int_equal(mkfifo(real(DAEMON_JSON), 0600), 0);
	error_clear(&err);
	assert_int_equal(plan_step(&step_daemon_json, &err), -EINVAL);
	assert_says(err.message, "is not a regular file");
}

static void running(json_int_t containers, const char *runtime)
{
	json_decref(step.facts.docker_info);
	step.facts.docker_running = true;
	step.facts.docker_info = json_pack("{s:I, s:s, s:{s:{}}}", "ContainersRunning", containers,
					   "DefaultRuntime", runtime, "Runtimes", "sysbox-runc");
	put_unit("docker.service", "active", "enabled", "");
	put_unit("docker.socket", "active", "enabled", "");
}

static void a_running_docker_is_stopped_once(void **state)
{
	const struct change *stop;

	running(2, "runc");
	must(plan_step(&step_daemon_json, &must_err));
	stop = plan_find(&plan, &change_stop, "docker.service");
	assert_non_null(stop);
	assert_string_equal(stop->interrupts,
			    "Docker, and 2 running containers, which are started again");
	/* Before the file changes. */
	assert_ptr_equal(plan_find(&plan, &change_json, DAEMON_JSON), &plan.items[plan.len - 1]);
	running(0, "runc");
	must(plan_step(&step_daemon_json, &must_err));
	stop = plan_find(&plan, &change_stop, "docker.service");
	assert_string_equal(stop->interrupts, "Docker (no container is running)");
}

static void interrupting_may_be_refused(void **state)
{
	struct error err = ERROR_INIT;

	spec.docker.interrupt = INTERRUPT_REFUSE;
	running(3, "runc");
	assert_int_equal(plan_step(&step_daemon_json, &err), -EBUSY);
	assert_says(err.message, "3 running containers would have to stop");
	running(0, "runc");
	must(plan_step(&step_daemon_json, &must_err));
}

static void nothing_to_do_stops_nothing(void **state)
{
	static const char MOUNTS[] =
		"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		"30 20 7:0 /docker /var/lib/docker rw - xfs /dev/loop0 rw,prjquota\n";

	put(DAEMON_JSON, ALL);
	must(mount_table_parse(MOUNTS, strlen(MOUNTS), &step.facts.mounts, &must_err));
	running(2, "sysbox-runc");
	must(plan_step(&step_daemon_json, &must_err));
	assert_int_equal(plan.len, 0);
	/* The file is right, but the Docker that runs has not read it. */
	running(2, "runc");
	must(plan_step(&step_daemon_json, &must_err));
	assert_non_null(plan_find(&plan, &change_stop, "docker.service"));
}

/* Live-restore keeps them through new settings, not through new data. */
static void what_live_restore_keeps(void **state)
{
	static const char MOUNTS[] = "30 20 7:0 /docker /var/lib/docker rw - xfs /dev/loop0 rw,prjquota\n";
	const struct change *stop;

	spec.docker.interrupt = INTERRUPT_REFUSE;
	must(mount_table_parse(MOUNTS, strlen(MOUNTS), &step.facts.mounts, &must_err));
	running(2, "runc");
	(void)json_object_set_new(step.facts.docker_info, "LiveRestoreEnabled", json_true());
	must(plan_step(&step_daemon_json, &must_err));
	stop = plan_find(&plan, &change_stop, "docker.service");
	assert_string_equal(stop->interrupts,
			    "Docker, and 2 running containers, which go on (live-restore)");
	assert_false(json_get_bool(stop->want, "containers", false));
	mount_table_release(&step.facts.mounts);
	spec.docker.interrupt = INTERRUPT_ALLOW;
	must(plan_step(&step_daemon_json, &must_err));
	stop = plan_find(&plan, &change_stop, "docker.service");
	assert_string_equal(stop->interrupts,
			    "Docker, and 2 running containers, which are started again");
	assert_true(json_get_bool(stop->want, "containers", false));
}

static void one_line_of_what_is_there(void **state)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	_cleanup_(strbuf_release) struct strbuf more = STRBUF_INIT;

	must(step_daemon_json.probe(&step, &text, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&text), "0 members, default runtime not set");
	put(DAEMON_JSON, "{\"default-runtime\": \"runc\", \"debug\": true}");
	must(step_daemon_json.probe(&step, &more, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&more), "2 members, default runtime runc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(on_a_bare_host),
		step_test(as_the_settings_say),
		step_test(beside_what_the_user_has),
		step_test(beside_flags),
		step_test(beside_flags_of_the_environment),
		step_test(beside_flags_of_sysconfig),
		step_test(conflicts_are_refused_in_words),
		step_test(not_a_file),
		step_test(a_running_docker_is_stopped_once),
		step_test(interrupting_may_be_refused),
		step_test(nothing_to_do_stops_nothing),
		step_test(what_live_restore_keeps),
		step_test(one_line_of_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
