#include "step_fixture.h"

#include "step/layout.h"
#include "step/pins.h"

static void set(char **member, const char *value)
{
	free(*member);
	*member = strdup(value);
}

static void put_sysbox(const char *version, const char *status)
{
	_cleanup_free_ char *text =
		xasprintf("Package: fuse3\nStatus: install ok installed\nVersion: 3.14\n\n"
			  "Package: sysbox-ce\nStatus: %s\nVersion: %s\n",
			  status, version);

	put_status(text);
}

static const json_t *planned_file(void)
{
	const struct change *c;

	must(plan_step(&step_sysbox, &must_err));
	c = plan_find(&plan, &change_packages, "packages");
	return c ? json_array_get(json_object_get(c->want, "files"), 0) : NULL;
}

static void installed_where_there_is_none(void **state)
{
	const json_t *file = planned_file();
	const struct change *c = plan_find(&plan, &change_packages, NULL);

	assert_non_null(file);
	assert_string_equal(json_get_string(file, "package"), "sysbox-ce");
	assert_string_equal(json_get_string(file, "version"), "0.7.1");
	assert_string_equal(json_get_string(file, "sha256"), sysbox_pin("0.7.1", "amd64"));
	assert_says(json_get_string(file, "url"), "/v0.7.1/sysbox-ce_0.7.1-0.linux_amd64.deb");
	assert_string_equal(json_get_string(file, "file"), "");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(c->want, "packages"), 0)),
		"fuse3");
}

/* Installed, asked for, and whether a package is then planned. */
static const struct {
	const char *installed, *release;
	int other_version;
	bool planned;
} VERSIONS[] = {
	{ "0.7.1-0.linux", "0.7.1", SYSBOX_KEEP, false },
	{ "0.7.1-0.linux", "0.7.1", SYSBOX_UPGRADE, false },
	{ "0.7.1-0.linux", "0.7.1", SYSBOX_EXACT, false },
	{ "0.7.1.linux", "0.7.1", SYSBOX_EXACT, false },
	{ "0.7.1", "0.7.1", SYSBOX_EXACT, false },
	{ "0.6.7-0.linux", "0.7.1", SYSBOX_KEEP, false },
	{ "0.6.7-0.linux", "0.7.1", SYSBOX_UPGRADE, true },
	{ "0.6.7-0.linux", "0.7.1", SYSBOX_EXACT, true },
	{ "0.8.0-0.linux", "0.7.1", SYSBOX_KEEP, false },
	{ "0.8.0-0.linux", "0.7.1", SYSBOX_UPGRADE, false },
	{ "0.8.0-0.linux", "0.7.1", SYSBOX_EXACT, true },
	{ "0.7.10-0.linux", "0.7.1", SYSBOX_UPGRADE, false },
	{ "0.7.10-0.linux", "0.7.1", SYSBOX_EXACT, true },
	{ "0.7.1.2-0.linux", "0.7.1", SYSBOX_EXACT, true },
	{ "0.7.0-0.linux", "0.7.0", SYSBOX_EXACT, false },
	{ "0.7.1-0.linux", "0.7.0", SYSBOX_EXACT, true },
	{ "0.7.1.2-0.linux", "0.7.1", SYSBOX_UPGRADE, false },
};

static void other_versions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(VERSIONS); i++) {
		put_sysbox(VERSIONS[i].installed, "install ok installed");
		set(&spec.sysbox.version, VERSIONS[i].release);
		spec.sysbox.other_version = VERSIONS[i].other_version;
		if ((planned_file() != NULL) != VERSIONS[i].planned)
			fail_msg("%s where %s is asked for (%d)", VERSIONS[i].installed,
				 VERSIONS[i].release, VERSIONS[i].other_version);
	}
}

/* What runs of another release stops first; of the same nothing does. */
static void one_that_runs_is_stopped_for_another(void **state)
{
	const struct change *stop;

	put_sysbox("0.6.7-0.linux", "install ok installed");
	put_unit("sysbox.service", "active", "enabled", "");
	assert_null(planned_file());
	assert_null(plan_find(&plan, &change_stop, SYSBOX_SERVICE));
	spec.sysbox.other_version = SYSBOX_UPGRADE;
	assert_non_null(planned_file());
	stop = plan_find(&plan, &change_stop, SYSBOX_SERVICE);
	assert_non_null(stop);
	assert_true(json_get_bool(stop->want, "replaced", false));
	assert_says(stop->interrupts, "needs a restart");
	put_unit("sysbox.service", "inactive", "enabled", "");
	assert_non_null(planned_file());
	assert_null(plan_find(&plan, &change_stop, SYSBOX_SERVICE));
}

static void half_there_is_not_there(void **state)
{
	static const char *const STATES[] = { "deinstall ok config-files", "install ok unpacked",
					      "install ok half-configured" };

	for (size_t i = 0; i < ARRAY_SIZE(STATES); i++) {
		put_sysbox("0.7.1-0.linux", STATES[i]);
		assert_non_null(planned_file());
	}
}

static void one_that_is_not_from_a_package(void **state)
{
	struct error err = ERROR_INIT;

	put_program("sysbox-runc", "");
	assert_null(planned_file()); /* kept */
	spec.sysbox.other_version = SYSBOX_EXACT;
	assert_int_equal(plan_step(&step_sysbox, &err), -EEXIST);
	assert_string_equal(err.message,
			    "'/usr/bin/sysbox-runc' is there but not from a package: remove "
			    "it, or set sysbox.other_version to 'keep'");
	spec.sysbox.other_version = SYSBOX_UPGRADE;
	assert_int_equal(plan_step(&step_sysbox, &err), -EEXIST);
}

static void a_version_without_a_pin(void **state)
{
	struct error err = ERROR_INIT;

	set(&spec.sysbox.version, "0.9.9");
	assert_int_equal(plan_step(&step_sysbox, &err), -ENOENT);
	assert_says(err.message, "berth has no SHA-256 for Sysbox 0.9.9 on amd64");
	assert_says(err.message, sysbox_pinned_versions());
	set(&spec.sysbox.sha256,
	    "04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b");
	assert_string_equal(json_get_string(planned_file(), "sha256"), spec.sysbox.sha256);
}

static void from_elsewhere(void **state)
{
	set(&spec.sysbox.url, "https://example.org/s.deb");
	set(&spec.sysbox.sha256,
	    "04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b");
	assert_string_equal(json_get_string(planned_file(), "url"), "https://example.org/s.deb");
	set(&spec.sysbox.file, "/root/s.deb");
	assert_string_equal(json_get_string(planned_file(), "path"), "/root/s.deb");
	step.bundle_sysbox = strdup("/var/lib/berth/cache/bundle/s.deb");
	assert_string_equal(json_get_string(planned_file(), "path"), "/root/s.deb");
	set(&spec.sysbox.file, "");
	assert_string_equal(json_get_string(planned_file(), "path"),
			    "/var/lib/berth/cache/bundle/s.deb");
	assert_string_equal(json_get_string(planned_file(), "url"), "");
	free(TAKE_PTR(step.bundle_sysbox));
}

static void an_architecture_without_a_package(void **state)
{
	struct error err = ERROR_INIT;

	set_os("ID=debian\n", "riscv64");
	assert_int_equal(plan_step(&step_sysbox, &err), -EOPNOTSUPP);
	assert_string_equal(err.message, "Sysbox has no package for 'riscv64'");
}

/* ---- where there is no package of it ---- */

static void put_rpm_system(const char *os)
{
	static const char *const PROGRAMS[] = { "fusermount3", "rsync", "iptables", "modprobe", "tar",
						"xz" };

	set_os(os, "x86_64");
	for (size_t i = 0; i < ARRAY_SIZE(PROGRAMS); i++)
		put_program(PROGRAMS[i], "");
}

static const json_t *planned_unpack(void)
{
	const struct change *c;

	must(plan_step(&step_sysbox, &must_err));
	c = plan_find(&plan, &change_unpack, "sysbox-ce");
	return c ? c->want : NULL;
}

static void put_manifest(const char *version, bool complete)
{
	_cleanup_free_ char *text =
		xasprintf("{\"package\": \"sysbox-ce\", \"version\": \"%s\", \"sha256\": \"%s\", "
			  "\"complete\": %s, \"files\": []}",
			  version, sysbox_pin("0.7.1", "amd64"), complete ? "true" : "false");

	put("/var/lib/berth/sysbox-ce.manifest", text);
}

static void unpacked_on_rpm_systems(void **state)
{
	put_rpm_system("ID=rocky\nVERSION_ID=9.4\nID_LIKE=\"rhel centos fedora\"\n");
	assert_string_equal(json_get_string(planned_unpack(), "sha256"), sysbox_pin("0.7.1", "amd64"));
	assert_null(plan_find(&plan, &change_packages, NULL));
	put_manifest("0.7.1", true);
	assert_null(planned_unpack());
	put_manifest("0.7.1", false);
	assert_non_null(planned_unpack());
	put_manifest("0.6.7", true);
	assert_null(planned_unpack()); /* kept */
	spec.sysbox.other_version = SYSBOX_UPGRADE;
	assert_non_null(planned_unpack());
	put_unit("sysbox.service", "active", "enabled", "");
	assert_non_null(planned_unpack());
	assert_non_null(plan_find(&plan, &change_stop, SYSBOX_SERVICE));
	put_manifest("0.8.0", true);
	assert_null(planned_unpack());
	spec.sysbox.other_version = SYSBOX_EXACT;
	assert_non_null(planned_unpack());
	assert_int_equal(unlink(real("/var/lib/berth/sysbox-ce.manifest")), 0);
	put_program("sysbox-runc", "");
	spec.sysbox.other_version = SYSBOX_KEEP;
	assert_null(planned_unpack());
}

static void what_its_daemons_run(void **state)
{
	static const struct {
		const char *os, *iptables;
	} TABLE[] = {
		{ "ID=rocky\nVERSION_ID=8.10\nID_LIKE=\"rhel centos fedora\"\n", "iptables" },
		{ "ID=rhel\nVERSION_ID=9.4\nID_LIKE=fedora\n", "iptables-nft" },
		{ "ID=fedora\nVERSION_ID=41\n", "iptables-nft" },
		{ "ID=amzn\nVERSION_ID=2023\nID_LIKE=fedora\n", "iptables-nft" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		const char *const expected[] = { "rsync", TABLE[i].iptables, "tar" };
		const json_t *names;

		put_rpm_system(TABLE[i].os);
		assert_int_equal(unlink(real("/usr/bin/rsync")), 0);
		assert_int_equal(unlink(real("/usr/bin/iptables")), 0);
		assert_int_equal(unlink(real("/usr/bin/tar")), 0);
		assert_non_null(planned_unpack());
		names = json_object_get(plan_find(&plan, &change_packages, NULL)->want, "packages");
		assert_int_equal(json_array_size(names), ARRAY_SIZE(expected));
		for (size_t j = 0; j < ARRAY_SIZE(expected); j++)
			assert_string_equal(json_string_value(json_array_get(names, j)), expected[j]);
	}
}

static void what_is_unpacked(void **state)
{
	_cleanup_(strbuf_release) struct strbuf part = STRBUF_INIT, all = STRBUF_INIT;

	put_rpm_system("ID=rhel\nVERSION_ID=9.4\n");
	put_manifest("0.7.1", false);
	must(step_sysbox.probe(&step, &part, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&part), "installed in part");
	put_manifest("0.7.1", true);
	put_unit("sysbox-mgr.service", "active", "static", "");
	context_changed(&step.change);
	must(step_sysbox.probe(&step, &all, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&all), "sysbox-ce 0.7.1 unpacked by berth, sysbox-mgr active");
}

static void its_units(void **state)
{
	const char *mgr, *fs;

	put_sysbox("0.7.1-0.linux", "install ok installed");
	must(plan_step(&step_sysbox, &must_err));
	assert_int_equal(plan.len, 3);
	carry_out();
	mgr = text_of(UNIT_DIR "/sysbox-mgr.service.d/" DROPIN);
	assert_says(mgr, "Requires=var-lib-sysbox.mount\n");
	assert_says(mgr, "AssertPathIsMountPoint=/var/lib/sysbox\n");
	assert_says(mgr, "ExecStartPre=" BERTH_PROGRAM " stash\nExecStart=\nExecStart=/usr/bin/sysbox-mgr "
			 "--log-level info --disable-inner-image-preload\n");
	fs = text_of(UNIT_DIR "/sysbox-fs.service.d/" DROPIN);
	assert_says(fs, "ExecStart=\nExecStart=/usr/bin/sysbox-fs --log-level info\n");
	must(plan_step(&step_sysbox, &must_err));
	assert_int_equal(plan.len, 0);
	assert_says(text_of(UNIT_DIR "/" STASH_SERVICE), "ExecStop=" BERTH_PROGRAM " stash stopping\n");
	spec.sysbox.inner_image_preload = true;
	set(&spec.sysbox.log_level, "debug");
	must(plan_step(&step_sysbox, &must_err));
	carry_out();
	assert_says(text_of(UNIT_DIR "/sysbox-mgr.service.d/" DROPIN),
		    "/usr/bin/sysbox-mgr --log-level debug\n");
}

static void what_is_there(void **state)
{
	_cleanup_(strbuf_release) struct strbuf none = STRBUF_INIT, some = STRBUF_INIT;

	must(step_sysbox.probe(&step, &none, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&none), "not installed");
	put_sysbox("0.7.1-0.linux", "install ok installed");
	put_unit("sysbox-mgr.service", "active", "static", "");
	context_changed(&step.change);
	must(step_sysbox.probe(&step, &some, &(enum verdict){ CHECK_PASS }, &must_err));
	assert_string_equal(strbuf_str(&some), "sysbox-ce 0.7.1-0.linux, sysbox-mgr active");
	must(step_sysbox.verify(&step, &report, &must_err));
	assert_verdict("sysbox", CHECK_SKIP);
}

/* Flags that came later wait for Sysbox's next start, and that is said. */
static void what_runs_is_older_than_the_settings(void **state)
{
	static const char RUNNING[] = "/usr/bin/sysbox-mgr\0--log-level\0info\0"
				      "--disable-inner-image-preload";

	put_unit("sysbox-mgr.service", "active", "static", "MainPID=512\n");
	put_bytes("/proc/512/cmdline", RUNNING, sizeof(RUNNING), 0444);
	must(step_sysbox.check(&step, &report, &must_err));
	assert_null(check_of("sysbox.flags"));
	spec.sysbox.inner_image_preload = true;
	must(step_sysbox.check(&step, &report, &must_err));
	assert_verdict("sysbox.flags", CHECK_WARN);
	assert_says(check_of("sysbox.flags")->text,
		    "runs as '/usr/bin/sysbox-mgr --log-level info --disable-inner-image-preload', the "
		    "settings say '/usr/bin/sysbox-mgr --log-level info'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		step_test(installed_where_there_is_none),
		step_test(other_versions),
		step_test(one_that_runs_is_stopped_for_another),
		step_test(half_there_is_not_there),
		step_test(one_that_is_not_from_a_package),
		step_test(a_version_without_a_pin),
		step_test(from_elsewhere),
		step_test(an_architecture_without_a_package),
		step_test(unpacked_on_rpm_systems),
		step_test(what_its_daemons_run),
		step_test(what_is_unpacked),
		step_test(its_units),
		step_test(what_is_there),
		step_test(what_runs_is_older_than_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
