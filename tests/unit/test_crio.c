#include "host_fixture.h"

#include "engine/crio.h"

static const char DUMP[] = "# The CRI-O configuration file\n"
			   "[crio]\n"
			   "# root = \"/var/lib/containers/storage\"\n"
			   "\n"
			   "# The crio.runtime table holds what is of the runtime.\n"
			   "[crio.runtime]\n"
			   "# A key of another table, named in a sentence: monitor_path = is not one.\n"
			   "# cgroup_manager = \"systemd\"\n"
			   "default_runtime = \"runc\"\n"
			   "\n"
			   "# [crio.runtime.runtimes.runtime-handler]\n"
			   "# runtime_path = \"/path/to/the/executable\"\n"
			   "# monitor_path = \"/path/to/container/monitor\"\n"
			   "[crio.runtime.runtimes.crun]\n"
			   "runtime_path = \"/usr/bin/crun\"\n"
			   "monitor_path = \"\"\n"
			   "[crio.runtime.runtimes.runc]\n"
			   "runtime_path = \"/usr/libexec/crio/runc\"\n"
			   "monitor_path = \"/usr/libexec/crio/conmon\"\n"
			   "[crio.image]\n"
			   "# pause_image = \"registry.k8s.io/pause:3.10\"\n";

static void assert_value(const char *table, const char *key, const char *expected)
{
	_cleanup_free_ char *value = crio_dump_value(DUMP, table, key);

	if (!value != !expected || (expected && strcmp(value, expected) != 0))
		fail_msg("%s of [%s] is %s", key, table, value ? value : "not there");
}

/* It keeps them where one of its own minor version has been here since the boot. */
static void who_ends_all_pods(void **state)
{
	static const struct {
		const char *noted, *version;
		bool ends;
	} CASES[] = {
		{ NULL, "1.34.0", true },	   { "\"1.34.0\"", "1.34.0", false }, { "\"1.34.7\"\n", "1.34.0", false },
		{ "\"1.33.0\"", "1.34.0", true }, { "\"1.340.0\"", "1.34.0", true }, { "1.34.0", "1.34.0", true },
		{ "", "1.34.0", true },		   { "\"1.34.0\"", "odd", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		if (CASES[i].noted)
			put(CRIO_VERSION_FILE, CASES[i].noted);
		if (crio_ends_pods(&host, CASES[i].version) != CASES[i].ends)
			fail_msg("case %zu", i);
	}
}

static void values_of_a_dump(void **state)
{
	assert_value("crio.runtime", "cgroup_manager", "systemd");
	assert_value("crio.runtime", "default_runtime", "runc");
	assert_value("crio.runtime", "monitor_path", NULL);
	assert_value("crio.runtime.runtimes.runc", "monitor_path", "/usr/libexec/crio/conmon");
	assert_value("crio.runtime.runtimes.crun", "monitor_path", "");
	assert_value("crio.image", "pause_image", "registry.k8s.io/pause:3.10");
	assert_value("crio.runtime.runtimes.sysbox-runc", "runtime_path", NULL);
}

static void the_drop_in(void **state)
{
	_cleanup_free_ char *with = crio_drop_in("sysbox-runc", "/x/berth-runc", DUMP);
	_cleanup_free_ char *without = crio_drop_in("sysbox-runc", "/x/berth-runc", NULL);
	_cleanup_free_ char *runtime = NULL;

	assert_non_null(with);
	assert_non_null(without);
	assert_non_null(strstr(with, "monitor_path = \"/usr/libexec/crio/conmon\"\n"));
	assert_null(strstr(without, "monitor_path"));
	runtime = crio_dump_runtime(with, "sysbox-runc");
	assert_string_equal(runtime, "/x/berth-runc");
}

/* conmon-rs, which a handler of the type "oci" does not take. */
static void a_monitor_of_another_type(void **state)
{
	static const char DEFAULT[] = "[crio.runtime]\ndefault_runtime = \"runc\"\n[crio.runtime.runtimes.runc]\n"
				      "runtime_type = \"pod\"\nmonitor_path = \"/usr/bin/conmonrs\"\n";
	_cleanup_free_ char *text = crio_drop_in("sysbox-runc", "/x/berth-runc", DEFAULT);

	assert_non_null(text);
	assert_null(strstr(text, "monitor_path"));
}

/* What a running one tells has the same tables, further in. */
static void what_runs(void **state)
{
	static const struct {
		const char *config;
		bool has;
	} CASES[] = {
		{ "[crio.runtime.runtimes]\n  [crio.runtime.runtimes.sysbox-runc]\n    runtime_path = \"/x/berth-runc\"\n"
		  "    runtime_type = \"oci\"\n    runtime_root = \"/run/sysbox-runc\"\n    monitor_path = \"/usr/bin/conmon\"\n"
		  "    monitor_cgroup = \"pod\"\n", true },
		{ "[crio.runtime.runtimes.sysbox-runc]\nruntime_path = \"/usr/bin/sysbox-runc\"\nruntime_type = \"oci\"\n"
		  "runtime_root = \"/run/sysbox-runc\"\nmonitor_cgroup = \"pod\"\n", false },
		{ "[crio.runtime.runtimes.sysbox-runc]\nruntime_path = \"/x/berth-runc\"\nruntime_type = \"oci\"\n"
		  "runtime_root = \"/run/sysbox-runc\"\nmonitor_cgroup = \"system.slice\"\n", false },
		{ "[crio.runtime.runtimes.sysbox-runc]\nruntime_path = \"/x/berth-runc\"\n", false },
		{ "[crio.runtime]\nconmon_cgroup = \"system.slice\"\n[crio.runtime.runtimes.sysbox-runc]\n"
		  "runtime_path = \"/x/berth-runc\"\nruntime_type = \"oci\"\nruntime_root = \"/run/sysbox-runc\"\n"
		  "monitor_cgroup = \"system.slice\"\n", true },
		{ "", false },
	};
	_cleanup_free_ char *text = crio_drop_in("sysbox-runc", "/x/berth-runc", NULL);

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		if (crio_has_drop_in(CASES[i].config, text, "sysbox-runc") != CASES[i].has)
			fail_msg("case %zu: not %d", i, CASES[i].has);
	}
}

static void complaints(void **state)
{
	static const struct {
		const char *output, *words;
	} CASES[] = {
		{ "time=\"2026-01-01T00:00:00Z\" level=info msg=\"Starting\"\n"
		  "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"unable to decode \\\"/a\\\": line 2\"\nmore\n",
		  "unable to decode \"/a\": line 2" },
		{ "crio: not found\n\n", "crio: not found" },
		{ "level=fatal msg=\"cut", "cut" },
		{ "level=fatal \nmsg=\"of another\"", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_free_ char *words = crio_complaint(CASES[i].output);

		assert_non_null(words);
		assert_string_equal(words, CASES[i].words);
	}
}

static void versions(void **state)
{
	static const struct {
		const char *output, *version;
	} CASES[] = {
		{ "crio version 1.34.0\nVersion:        1.34.0\n", "1.34.0" },
		{ "crio version 1.30.14 (built)\n", "1.30.14" },
		{ "crio version unknown\n", NULL },
		{ "crio: not found\n", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_free_ char *version = crio_version_of(CASES[i].output);

		if (!version != !CASES[i].version || (version && strcmp(version, CASES[i].version) != 0))
			fail_msg("'%s' is version %s", CASES[i].output, version ? version : "none");
	}
}

static void a_dump_in_its_own_words(void **state)
{
	_cleanup_free_ char *dump = NULL;
	struct error err = ERROR_INIT;

	put_program("crio", "[ \"$1 $2 $3\" = '--config-dir /d config' ] && { echo '[crio]'; exit 0; }\n"
			    "echo 'level=fatal msg=\"/copy/a: no, and /copy/b\"' >&2; exit 1");
	assert_int_equal(crio_dump(&host, "/usr/bin/crio", "/d", "/d", &dump, &err), 0);
	assert_string_equal(dump, "[crio]\n");
	free(dump);
	dump = NULL;
	assert_int_equal(crio_dump(&host, "/usr/bin/crio", "/copy", "/etc/crio/crio.conf.d", &dump, &err), -EPROTO);
	assert_string_equal(err.message, "CRI-O refuses its settings: /etc/crio/crio.conf.d/a: no, and /etc/crio/crio.conf.d/b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_ends_all_pods, test_setup, test_teardown),
		cmocka_unit_test(values_of_a_dump),
		cmocka_unit_test(the_drop_in),
		cmocka_unit_test(a_monitor_of_another_type),
		cmocka_unit_test(what_runs),
		cmocka_unit_test(complaints),
		cmocka_unit_test(versions),
		cmocka_unit_test_setup_teardown(a_dump_in_its_own_words, test_setup, test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
