#include "apt_fixture.h"

#include "base/digest.h"
#include "change/packages.h"

#define DAEMON_JSON "/etc/docker/daemon.json"
#define BASE	    "Package: adduser\nStatus: install ok installed\nVersion: 3.134\n\n"
#define ADDED                                                                     \
	"Package: docker.io\nStatus: install ok installed\nVersion: 20.10.24\n\n" \
	"Package: runc\nStatus: install ok installed\nVersion: 1.1.5\n\n"         \
	"Package: sysbox-ce\nStatus: install ok installed\nVersion: 0.7.1-0.linux\n\n"

static struct package_db db;

static int setup(void **state)
{
	int r = change_setup(state);

	put_apt();
	put(STATUS, BASE);
	put("/status.installed", BASE ADDED);
	put("/status.purged", BASE);
	return r;
}

static int teardown(void **state)
{
	package_db_release(&db);
	return change_teardown(state);
}

static int plan_names(const char *a, const char *b)
{
	const char *const names[] = { a, b, NULL };
	int r;

	package_db_release(&db);
	must(package_db_read(&host, PACKAGES_APT, &db, &must_err));
	r = plan_packages(&plan, &ctx, &db, names, "for tests", &must_err);
	must(r);
	return r;
}

static void plan_file_at(const char *path, const char *sha256)
{
	const struct package_file deb = {
		.package = "sysbox-ce",
		.version = "0.7.1",
		.url = "https://example.org/s.deb",
		.file = path,
		.sha256 = sha256,
	};

	must(plan_package_file(&plan, &ctx, &deb, "for tests", &must_err));
}

static const struct change *transaction(void)
{
	const struct change *c = plan_find(&plan, &change_packages, "packages");

	assert_non_null(c);
	return c;
}

static void all_wishes_are_one_transaction(void **state)
{
	assert_int_equal(plan_names("adduser", NULL), 0);
	assert_int_equal(plan.len, 0);
	assert_int_equal(plan_names("docker.io", "adduser"), 1);
	assert_int_equal(plan_names("fuse3", NULL), 1);
	plan_file_at("/tmp/s.deb", "");
	assert_int_equal(plan.len, 1);
	assert_string_equal(described(transaction()),
			    "+ docker.io (with what it depends on)\n"
			    "+ fuse3 (with what it depends on)\n"
			    "+ sysbox-ce 0.7.1 from /tmp/s.deb (no SHA-256 given)\n");
	assert_null(json_object_get(transaction()->want, "open"));
}

static void a_download_is_described(void **state)
{
	plan_file_at("", "04ca894ae0b53f0fa54eaacc173ce40363c9a95ea5450f773716a84ef650a69b");
	assert_string_equal(described(transaction()),
			    "+ sysbox-ce 0.7.1 from "
			    "https://example.org/s.deb (SHA-256 04ca894ae0b53f0f...)\n");
}

static void installed_and_undone(void **state)
{
	const struct change *c;

	plan_names("docker.io", NULL);
	plan_file_at("/tmp/s.deb", "");
	c = transaction();
	make_it_so(c);
	assert_true(was_called("install docker.io /tmp/s.deb\n"));
	assert_false(was_called("--configure"));
	assert_int_equal(json_array_size(json_object_get(after, "added")), 3);
	put("/simulation",
	    "Purg docker.io [20.10.24]\nPurg runc [1.1.5]\nPurg sysbox-ce [0.7.1]\n");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(was_called("purge docker.io runc sysbox-ce\n"));
	assert_text(STATUS, BASE);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void what_holds(void **state)
{
	static const struct {
		const char *status;
		int holds;
	} TABLE[] = {
		{ BASE, 0 },
		{ BASE ADDED, 1 },
		{ "Package: docker.io\nStatus: install ok installed\nVersion: 1\n\n"
		  "Package: sysbox-ce\nStatus: install ok installed\nVersion: 0.6.7-0.linux\n",
		  0 },
		{ "Package: docker.io\nStatus: install ok unpacked\nVersion: 1\n\n"
		  "Package: sysbox-ce\nStatus: install ok installed\nVersion: 0.7.1\n",
		  0 },
		{ "Package: docker.io\nStatus: install ok installed\nVersion: 1\n\n"
		  "Package: sysbox-ce\nStatus: deinstall ok config-files\nVersion: 0.7.1\n",
		  0 },
	};

	plan_names("docker.io", NULL);
	plan_file_at("/tmp/s.deb", "");
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		put(STATUS, TABLE[i].status);
		assert_int_equal(change_packages.holds(&ctx, transaction(), &must_err),
				 TABLE[i].holds);
	}
}

/* Purging is ours only for what we brought. */
static void others_packages_stay(void **state)
{
	const struct change *c;

	put(STATUS, BASE "Package: runc\nStatus: deinstall ok config-files\nVersion: 1\n\n");
	plan_names("docker.io", NULL);
	c = transaction();
	make_it_so(c);
	put(STATUS, BASE ADDED "Package: since\nStatus: install ok installed\nVersion: 1\n\n");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(was_called("purge docker.io sysbox-ce\n"));
}

static void needed_by_somebody_since(void **state)
{
	const struct change *c;

	plan_names("docker.io", NULL);
	c = transaction();
	make_it_so(c);
	put("/simulation", "Purg docker.io [1]\nPurg compose [2]\nPurg stack [1]\n");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_string_equal(strbuf_str(&why), "packages installed since need them: compose, stack; "
					      "remove these first");
	assert_false(was_called(" remove docker.io"));
	assert_text(STATUS, BASE ADDED);
}

static void half_done_is_finished_first(void **state)
{
	static const char HALF[] =
		BASE "Package: docker.io\nStatus: install ok half-configured\nVersion: 1\n\n";
	const struct change *c;

	plan_names("docker.io", NULL);
	c = transaction();
	must(c->kind->capture(&ctx, c, &before, &must_err));
	put(STATUS, HALF);
	must(c->kind->apply(&ctx, c, before, &after, &must_err));
	assert_string_equal(call(0), "dpkg --force-confdef --force-confold --configure -a");
	assert_call(1, " install docker.io");
}

/* Files that dpkg does not know yet are known when it has unpacked them again, and go with the rest. */
static void undo_of_what_was_cut_off(void **state)
{
	static const char HALF[] =
		BASE "Package: docker.io\nStatus: install reinstreq half-installed\nVersion: 1\n\n";
	const struct change *c;
	enum undo_outcome outcome;

	plan_names("docker.io", NULL);
	c = transaction();
	must(c->kind->capture(&ctx, c, &before, &must_err));
	put(STATUS, HALF);
	put("/status.installed", HALF);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_true(was_called(" --reinstall --fix-broken install docker.io\n"));
	assert_true(was_called("purge docker.io\n"));
	assert_string_equal(strbuf_str(&why), "");
	/* No archive any more: what is known goes. */
	put(STATUS, HALF);
	put("/fail.install", "E: Unable to fetch some archives\n");
	must(try_undo(c, &outcome, &must_err));
	assert_int_equal(outcome, UNDO_DONE);
	assert_true(was_called("purge docker.io\n"));
	assert_string_equal(strbuf_str(&why), "files that were half unpacked may be left: the packages cannot be "
					"installed: E: Unable to fetch some archives");
}

/* Sysbox's script looks at daemon.json: it sees jq's layout, and our bytes come back. */
static void daemon_json_meanwhile(void **state)
{
	static const char THEIRS[] = "{ \"debug\":true,\n\"bip\" : \"10.0.0.1/24\"}";
	const struct change *c;
	struct error err = ERROR_INIT;

	put_bytes(DAEMON_JSON, THEIRS, strlen(THEIRS), 0600);
	plan_names("docker.io", NULL);
	c = transaction();
	make_it_so(c);
	assert_text("/daemon.seen", "{\n    \"debug\": true,\n    \"bip\": \"10.0.0.1/24\"\n}");
	assert_text(DAEMON_JSON, THEIRS);
	assert_int_equal(mode_of(DAEMON_JSON), 0600);
	put("/fail.install", "E: no\n");
	json_decref(TAKE_PTR(after));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -EPROTO);
	assert_text(DAEMON_JSON, THEIRS);
	assert_null(after);
}

static void what_the_packages_made_goes(void **state)
{
	const struct change *c;

	put("/etc/group", "root:x:0:\n");
	plan_names("docker.io", NULL);
	c = transaction();
	make_it_so(c);
	put("/etc/group", "root:x:0:\ndocker:x:998:\n");
	must(host_mkdirs(&host, "/var/lib/sysbox", 0755, NULL, &must_err));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text("/etc/group", "root:x:0:\n");
	assert_false(is_there("/var/lib/sysbox"));
}

static void a_file_on_the_host_is_checked(void **state)
{
	char sha256[DIGEST_HEX_MAX];
	struct error err = ERROR_INIT;

	put("/tmp/s.deb", "package");
	digest_hex("package", 7, sha256);
	put_program(
		"dpkg-deb",
		"grep -q broken \"$HOST_ROOT$2\" && { echo 'unexpected end' >&2; exit 2; }\n"
		"[ $1 = --field ] && printf 'Package: sysbox-ce\\nVersion: 0.7.1-0.linux\\n'; exit 0");
	plan_file_at("/tmp/s.deb", sha256);
	must(change_packages.prepare(&ctx, transaction(), &must_err));
	assert_true(was_called("dpkg-deb --contents /tmp/s.deb\n"));
	assert_true(was_called("--download-only install /tmp/s.deb\n"));
	put_program("dpkg-deb", "[ $1 = --field ] && printf 'Package: sysbox-ce\\nVersion: 0.7.10\\n'; exit 0");
	assert_int_equal(change_packages.prepare(&ctx, transaction(), &err), -EBADMSG);
	assert_says(err.message, "'/tmp/s.deb' is sysbox-ce 0.7.10, not sysbox-ce 0.7.1");
	error_clear(&err);
	put("/tmp/s.deb", "packagf");
	assert_int_equal(change_packages.prepare(&ctx, transaction(), &err), -EBADMSG);
	assert_says(err.message, "'/tmp/s.deb' has the SHA-256");
	assert_says(err.message, "nothing was changed");
	assert_int_equal(unlink(real("/tmp/s.deb")), 0);
	assert_int_equal(change_packages.prepare(&ctx, transaction(), &err), -ENOENT);
	assert_says(err.message, "open the package '/tmp/s.deb'");
}

static void a_truncated_file(void **state)
{
	struct error err = ERROR_INIT;

	put("/tmp/s.deb", "broken");
	put_program("dpkg-deb", "echo 'unexpected end of file' >&2; exit 2");
	plan_file_at("/tmp/s.deb", "");
	assert_int_equal(change_packages.prepare(&ctx, transaction(), &err), -EBADMSG);
	assert_says(err.message, "'/tmp/s.deb' is not a whole Debian package");
	assert_false(was_called("apt-get"));
}

static void only_by_apt(void **state)
{
	static char id[] = "rhel";
	struct error err = ERROR_INIT;

	plan_names("docker.io", NULL);
	os.packages = PACKAGES_NONE;
	os.id = id;
	assert_int_equal(change_packages.prepare(&ctx, transaction(), &err), -EOPNOTSUPP);
	assert_says(err.message, "installing packages on 'rhel' is not supported");
	assert_false(was_called("apt-get"));
}

static void without_a_database(void **state)
{
	struct error err = ERROR_INIT;

	plan_names("docker.io", NULL);
	assert_int_equal(unlink(real(STATUS)), 0);
	assert_int_equal(change_packages.capture(&ctx, transaction(), &before, &err), -ENOENT);
	assert_says(err.message, "'/var/lib/dpkg/status'");
}

#define package_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		package_test(all_wishes_are_one_transaction),
		package_test(a_download_is_described),
		package_test(installed_and_undone),
		package_test(what_holds),
		package_test(others_packages_stay),
		package_test(needed_by_somebody_since),
		package_test(half_done_is_finished_first),
		package_test(undo_of_what_was_cut_off),
		package_test(daemon_json_meanwhile),
		package_test(what_the_packages_made_goes),
		package_test(a_file_on_the_host_is_checked),
		package_test(a_truncated_file),
		package_test(only_by_apt),
		package_test(without_a_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
