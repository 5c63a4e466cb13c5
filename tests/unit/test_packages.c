#include "host_fixture.h"

#include "host/packages.h"

static void parse(const char *text, struct package_db *ret)
{
	struct error err = ERROR_INIT;

	if (package_db_parse(text, strlen(text), ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void states(void **state)
{
	static const struct {
		const char *status;
		bool installed, broken, configured_only, triggers, unpacked;
	} TABLE[] = {
		{ "install ok installed", true, false, false },
		{ "hold ok installed", true, false, false },
		{ "deinstall ok installed", true, false, false },
		{ "deinstall ok config-files", false, false, true },
		{ "purge ok config-files", false, false, true },
		{ "install ok half-installed", false, true, false },
		{ "install reinstreq half-installed", false, true, false },
		{ "install reinstreq installed", true, true, false },
		{ "install ok unpacked", false, true, false, false, true },
		{ "install ok half-configured", false, true, false, false, true },
		{ "deinstall ok half-configured", false, true, false },
		{ "install reinstreq unpacked", false, true, false },
		{ "install ok triggers-awaited", true, false, false, true },
		{ "install ok triggers-pending", true, false, false, true },
		{ "unknown ok not-installed", false, false, false },
		{ "purge ok not-installed", false, false, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_free_ char *text =
			xasprintf("Package: p\nStatus: %s\nVersion: 1\n", TABLE[i].status);
		_cleanup_(package_db_release) struct package_db db = { 0 };
		const struct package *p;

		parse(text, &db);
		p = package_db_find(&db, "p");
		assert_non_null(p);
		assert_int_equal(p->installed, TABLE[i].installed);
		assert_int_equal(p->broken, TABLE[i].broken);
		assert_int_equal(p->configured_only, TABLE[i].configured_only);
		assert_int_equal(p->triggers, TABLE[i].triggers);
		assert_int_equal(p->unpacked, TABLE[i].unpacked);
		assert_int_equal(package_db_installed(&db, "p"), TABLE[i].installed);
	}
}

static const char STATUS[] = "Package: runc\n"
			     "Status: install ok installed\n"
			     "Priority: optional\n"
			     "Maintainer: Some One <some@example.org>\n"
			     "Version: 1.1.5+ds1-1+deb12u1\n"
			     "Conffiles:\n"
			     " /etc/x 5d8c1f\n"
			     "Description: Open Container Project - runtime\n"
			     " Package: not-a-package\n"
			     " .\n"
			     " Status: nor a status\n"
			     "\n"
			     "Package: docker.io\n"
			     "Status: deinstall ok config-files\n"
			     "Config-Version: 20.10.24+dfsg1-1+b3\n"
			     "Version: 20.10.24+dfsg1-1+b3\n"
			     "\n"
			     "\n"
			     "Package: adduser\n"
			     "Version: 3.134\n"
			     "Status: install ok installed";

static void a_status_file(void **state)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };

	parse(STATUS, &db);
	assert_int_equal(db.len, 3);
	assert_string_equal(db.items[0].name, "adduser");
	assert_string_equal(db.items[1].name, "docker.io");
	assert_string_equal(db.items[2].name, "runc");
	assert_string_equal(db.items[2].version, "1.1.5+ds1-1+deb12u1");
	assert_true(package_db_installed(&db, "adduser"));
	assert_true(package_db_installed(&db, "runc"));
	assert_false(package_db_installed(&db, "docker.io"));
	assert_true(package_db_find(&db, "docker.io")->configured_only);
	assert_null(package_db_find(&db, "not-a-package"));
	assert_null(package_db_find(&db, ""));
	assert_false(package_db_installed(&db, "absent"));
}

static void little_or_nothing(void **state)
{
	static const char *const TEXTS[] = { "", "\n\n\n",
					     "Version: 1\n\nStatus: install ok installed\n",
					     "Package:\n", "garbage" };

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(package_db_release) struct package_db db = { 0 };

		parse(TEXTS[i], &db);
		assert_int_equal(db.len, 0);
		assert_null(package_db_find(&db, "x"));
	}
}

static void without_status_or_version(void **state)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };

	parse("Package: p\n", &db);
	assert_int_equal(db.len, 1);
	assert_string_equal(db.items[0].version, "");
	assert_false(db.items[0].installed);
}

static void many(void **state)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (int i = 0; i < 3000; i++)
		strbuf_printf(&text, "Package: p%d\nStatus: install ok installed\nVersion: %d\n\n",
			      (i * 7919) % 3000, i);
	parse(strbuf_str(&text), &db);
	assert_int_equal(db.len, 3000);
	for (int i = 0; i < 3000; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "p%d", i);
		assert_true(package_db_installed(&db, name));
	}
}

static void read_by_family(void **state)
{
	_cleanup_(package_db_release) struct package_db db = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(package_db_read(&host, PACKAGES_NONE, &db, &err), 0);
	assert_int_equal(db.len, 0);
	assert_int_equal(package_db_read(&host, PACKAGES_APT, &db, &err), -ENOENT);
	assert_says(err.message, "/var/lib/dpkg/status");
	put("/var/lib/dpkg/status", STATUS);
	assert_int_equal(package_db_read(&host, PACKAGES_APT, &db, &err), 0);
	assert_int_equal(db.len, 3);
	package_db_release(&db);
	assert_int_equal(package_db_read(&host, PACKAGES_DNF, &db, &err), -ENOENT);
	assert_says(err.message, "list the installed packages");
	put_program(
		"rpm",
		"printf 'Package: docker\\nVersion: 25.0.8-1\\nStatus: install ok installed\\n\\n'");
	assert_int_equal(package_db_read(&host, PACKAGES_DNF, &db, &err), 0);
	assert_true(package_db_installed(&db, "docker"));
	assert_string_equal(db.items[0].version, "25.0.8-1");
	put_program("rpm", "echo damaged >&2; exit 1");
	package_db_release(&db);
	assert_int_equal(package_db_read(&host, PACKAGES_DNF, &db, &err), -EPROTO);
	assert_says(err.message, "damaged");
}

/* deb-version(7): the sign is that of a against b. */
static const struct {
	const char *a, *b;
	int sign;
} VERSIONS[] = {
	{ "1", "1", 0 },
	{ "1", "2", -1 },
	{ "2", "10", -1 },
	{ "1.0", "1.0.0", -1 },
	{ "1.0", "1.00", 0 },
	{ "1.01", "1.1", 0 },
	{ "1.001", "1.01", 0 },
	{ "0", "00", 0 },
	{ "1", "1-0", 0 },
	{ "1-0", "1-00", 0 },
	{ "1-1", "1-2", -1 },
	{ "1-2", "1-10", -1 },
	{ "1-1", "1", 1 },
	{ "1.0-1", "1.0-1.1", -1 },
	{ "0:1", "1", 0 },
	{ "00:1", "1", 0 },
	{ "1:1", "2", 1 },
	{ "1:1", "2:0", -1 },
	{ "10:1", "9:1", 1 },
	{ "1~", "1", -1 },
	{ "1~~", "1~", -1 },
	{ "1~~a", "1~", -1 },
	{ "1~rc1", "1", -1 },
	{ "1~rc1", "1~rc2", -1 },
	{ "1~rc10", "1~rc2", 1 },
	{ "1~", "1-1", -1 },
	{ "1-1~", "1-1", -1 },
	{ "1-1~deb12u1", "1-1", -1 },
	{ "1-~", "1", -1 },
	{ "1-0~", "1", -1 },
	{ "1a", "1", 1 },
	{ "1a", "1b", -1 },
	{ "1A", "1a", -1 },
	{ "1Z", "1a", -1 },
	{ "1+", "1a", 1 },
	{ "1.", "1+", 1 },
	{ "1.a", "1.", 1 },
	{ "1+b", "1+a", 1 },
	{ "1a1", "1a", 1 },
	{ "1a9", "1a10", -1 },
	{ "1.2.3", "1.2.3a", -1 },
	{ "1.2.3~a", "1.2.3", -1 },
	{ "1-a", "1-1", 1 },
	{ "1+dfsg-1", "1-1", 1 },
	{ "1-1+b1", "1-1", 1 },
	{ "1-1+b10", "1-1+b9", 1 },
	{ "1-1ubuntu1", "1-1", 1 },
	{ "1-1ubuntu1", "1-1build1", 1 },
	{ "1-1ubuntu1.1", "1-1ubuntu1", 1 },
	{ "1-2-1", "1-1-2", 1 },
	{ "1-1-1", "1-1", 1 },
	{ "20.10.24+dfsg1-1+b3", "20.10.24+dfsg1-1+deb12u1", -1 },
	{ "24.0.7-0ubuntu2~22.04.1", "24.0.7-0ubuntu2", -1 },
	{ "24.0.7-0ubuntu4", "24.0.7-0ubuntu2~22.04.1", 1 },
	{ "5:27.3.1-1~debian.12~bookworm", "20.10.24+dfsg1-1+b3", 1 },
	{ "5:27.3.1-1~ubuntu.22.04~jammy", "5:27.3.1-1~ubuntu.24.04~noble", -1 },
	{ "5:9.0.0-1", "5:10.0.0-1", -1 },
	{ "0.7.1", "0.6.7", 1 },
	{ "0.7.1-0.linux", "0.7.1", 1 },
	{ "0.7.1.linux", "0.7.1", 1 },
	{ "0.6.7.linux", "0.7.0", -1 },
	{ "0.7.10-0.linux", "0.7.9-0.linux", 1 },
	{ "252.30-1~deb12u2", "252.30-1", -1 },
	{ "252.30-1~deb12u2", "252.22-1~deb12u1", 1 },
	{ "1:9.2p1-2+deb12u3", "1:9.2p1-2+deb12u2", 1 },
	{ "6.1.112-1", "6.1.0-26", 1 },
	{ "13", "12.9", 1 },
	{ "13.1", "13", 1 },
	{ "999999999999999999999999", "1000000000000000000000000", -1 },
	{ "1.999999999999999999999999", "1.999999999999999999999998", 1 },
	{ "1.0000000000000000000000001", "1.1", 0 },
	{ "20230311", "20211016", 1 },
	{ "1.0.4~git20230215-1", "1.0.4-1", -1 },
	{ "2.38.1-5+deb12u1", "2.38.1-5+b1", 1 },
};

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void the_order_of_versions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(VERSIONS); i++) {
		int forth = sign(package_version_compare(VERSIONS[i].a, VERSIONS[i].b));
		int back = sign(package_version_compare(VERSIONS[i].b, VERSIONS[i].a));

		if (forth != VERSIONS[i].sign || back != -VERSIONS[i].sign)
			fail_msg("'%s' against '%s': %d and %d, not %d", VERSIONS[i].a,
				 VERSIONS[i].b, forth, back, VERSIONS[i].sign);
	}
}

static void dpkg_agrees(void **state)
{
	static const char *const RELATIONS[] = { "lt", "eq", "gt" };

	if (access("/usr/bin/dpkg", X_OK) < 0) {
		print_message("skipped: there is no dpkg on this machine\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(VERSIONS); i++) {
		const char *const argv[] = { "dpkg",	    "--compare-versions",
					     VERSIONS[i].a, RELATIONS[VERSIONS[i].sign + 1],
					     VERSIONS[i].b, NULL };
		_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;

		assert_int_equal(spawn_run("/usr/bin/dpkg", argv, NULL, &result, NULL), 0);
		if (result.exit_code != 0)
			fail_msg("dpkg does not say '%s' %s '%s'", VERSIONS[i].a,
				 RELATIONS[VERSIONS[i].sign + 1], VERSIONS[i].b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(a_status_file),
		cmocka_unit_test(little_or_nothing),
		cmocka_unit_test(without_status_or_version),
		cmocka_unit_test(many),
		host_test(read_by_family),
		cmocka_unit_test(the_order_of_versions),
		cmocka_unit_test(dpkg_agrees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
