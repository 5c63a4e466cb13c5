#include "host_fixture.h"

#include "host/os.h"

struct expected {
	const char *root, *id, *version, *codename, *pretty, *like;
	enum package_family packages;
};

/* Texts as the systems ship them: tests/data/roots. */
static const struct expected SYSTEMS[] = {
	{ "debian-12", "debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", NULL,
	  PACKAGES_APT },
	{ "debian-13", "debian", "13", "trixie", "Debian GNU/Linux 13 (trixie)", NULL,
	  PACKAGES_APT },
	{ "ubuntu-22.04", "ubuntu", "22.04", "jammy", "Ubuntu 22.04.5 LTS", "debian",
	  PACKAGES_APT },
	{ "ubuntu-24.04", "ubuntu", "24.04", "noble", "Ubuntu 24.04.1 LTS", "debian",
	  PACKAGES_APT },
	{ "rhel-9", "rhel", "9.4", "", "Red Hat Enterprise Linux 9.4 (Plow)", "fedora",
	  PACKAGES_DNF },
	{ "amazon-2023", "amzn", "2023", "", "Amazon Linux 2023.6.20241010", "fedora",
	  PACKAGES_DNF },
	{ "cos", "cos", "117", "", "Container-Optimized OS from Google", NULL, PACKAGES_NONE },
	{ "flatcar", "flatcar", "3975.2.2", "",
	  "Flatcar Container Linux by Kinvolk 3975.2.2 (Oklo)", "coreos", PACKAGES_NONE },
};

static int parse(const char *text, struct os *ret, struct error *err)
{
	return os_parse(text, strlen(text), ret, err);
}

static void one_system(const struct expected *e)
{
	_cleanup_free_ char *path =
		xasprintf("%s/roots/%s/os-release", getenv("TEST_DATA"), e->root);
	_cleanup_(os_clear) struct os os = { 0 };
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, &len), 0);
	assert_int_equal(os_parse(text, len, &os, NULL), 0);
	assert_string_equal(os.id, e->id);
	assert_string_equal(os.version, e->version);
	assert_string_equal(os.codename, e->codename);
	assert_string_equal(os.pretty, e->pretty);
	assert_int_equal(os.packages, e->packages);
	assert_true(os_is(&os, e->id));
	assert_int_equal(os.like.len, e->like ? 1 : 0);
	assert_true(!e->like || os_is(&os, e->like));
}

static void real_systems(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(SYSTEMS); i++)
		one_system(&SYSTEMS[i]);
}

static void derivatives_are_told_by_what_they_are_like(void **state)
{
	static const struct {
		const char *text;
		enum package_family packages;
	} TABLE[] = {
		{ "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", PACKAGES_APT },
		{ "ID=raspbian\nID_LIKE=debian\n", PACKAGES_APT },
		{ "ID=\"ol\"\nID_LIKE=\"fedora\"\n", PACKAGES_DNF },
		{ "ID=rocky\nID_LIKE=\"rhel centos fedora\"\n", PACKAGES_DNF },
		{ "ID=arch\n", PACKAGES_NONE },
		{ "ID=debianish\n", PACKAGES_NONE },
		{ "NAME=nameless\n", PACKAGES_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(os_clear) struct os os = { 0 };

		assert_int_equal(parse(TABLE[i].text, &os, NULL), 0);
		assert_int_equal(os.packages, TABLE[i].packages);
	}
}

static void odd_quoting(void **state)
{
	static const struct {
		const char *text, *pretty;
	} TABLE[] = {
		{ "PRETTY_NAME=plain", "plain" },
		{ "PRETTY_NAME='it is'", "it is" },
		{ "PRETTY_NAME=\"a \\\"b\\\" \\$c \\\\\"", "a \"b\" $c \\" },
		{ "PRETTY_NAME='a \\ b'", "a \\ b" },
		{ "PRETTY_NAME=a'b c'\"d\"", "ab cd" },
		{ "PRETTY_NAME=\"it's\"", "it's" },
		{ "PRETTY_NAME=", "" },
		{ "PRETTY_NAME=\"\"", "" },
		{ "PRETTY_NAME=a\\ b", "a b" },
		{ "PRETTY_NAME=a=b", "a=b" },
		{ "PRETTY_NAME=\"$(reboot)`x`\"", "$(reboot)`x`" },
		{ "PRETTY_NAME=\"blanks \"   ", "blanks " },
		{ "PRETTY_NAME=crlf\r\n", "crlf" },
		{ "PRETTY_NAME=one\nPRETTY_NAME=two", "two" },
		{ "# PRETTY_NAME=no\n\n   \nPRETTY_NAME=yes", "yes" },
		{ "XPRETTY_NAME=no\nPRETTY_NAMES=no", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(os_clear) struct os os = { 0 };

		assert_int_equal(parse(TABLE[i].text, &os, NULL), 0);
		assert_string_equal(os.pretty, TABLE[i].pretty);
		assert_string_equal(os.id, "");
	}
}

static void bad_lines_have_a_number(void **state)
{
	static const struct {
		const char *text, *number;
	} TABLE[] = {
		{ "ID=x\nnonsense\n", "line 2" },      { "=value\n", "line 1" },
		{ "\n\nNAME=\"open\n", "line 3" },     { "NAME='open\n", "line 1" },
		{ "# fine\nNAME=\"ends\\", "line 2" }, { "ID=x\nNAME=y\nNAME\n", "line 3" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(os_clear) struct os os = { 0 };
		struct error err = ERROR_INIT;

		assert_int_equal(parse(TABLE[i].text, &os, &err), -EINVAL);
		assert_says(err.message, TABLE[i].number);
		assert_null(os.id);
	}
}

static void without_a_text(void **state)
{
	_cleanup_(os_clear) struct os os = { 0 };

	assert_int_equal(os_parse("", 0, &os, NULL), 0);
	assert_string_equal(os.id, "");
	assert_string_equal(os.pretty, "");
	assert_int_equal(os.packages, PACKAGES_NONE);
}

static void etc_comes_before_usr(void **state)
{
	_cleanup_(os_clear) struct os os = { 0 };

	assert_int_equal(os_read(&host, &os, NULL), 0);
	assert_string_equal(os.id, "");
	os_clear(&os);
	put("/usr/lib/os-release", "ID=usr\n");
	assert_int_equal(os_read(&host, &os, NULL), 0);
	assert_string_equal(os.id, "usr");
	os_clear(&os);
	put("/etc/os-release", "ID=etc\n");
	assert_int_equal(os_read(&host, &os, NULL), 0);
	assert_string_equal(os.id, "etc");
	assert_true(os.arch[0] && os.kernel[0]);
}

static void a_bad_file_is_told(void **state)
{
	_cleanup_(os_clear) struct os os = { 0 };
	struct error err = ERROR_INIT;

	must(host_mkdirs(&host, "/etc/os-release", 0755, NULL, &must_err));
	assert_int_equal(os_read(&host, &os, &err), -EISDIR);
	assert_says(err.message, "read os-release");
	assert_int_equal(host_rmdir(&host, "/etc/os-release"), 0);
	put("/etc/os-release", "oops\n");
	assert_int_equal(os_read(&host, &os, &err), -EINVAL);
	assert_says(err.message, "os-release line 1");
	assert_null(os.arch);
}

static void recorded_machines(void **state)
{
	static const struct {
		const char *arch, *deb;
	} TABLE[] = {
		{ "x86_64", "amd64" },
		{ "aarch64", "arm64" },
		{ "armv7l", NULL },
		{ "riscv64", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(host_release) struct host again = HOST_INIT;
		_cleanup_(os_clear) struct os os = { 0 };
		_cleanup_free_ char *text =
			xasprintf("arch=%s\nkernel=6.1.0-26-amd64\n", TABLE[i].arch);

		put("/recorded", text);
		assert_int_equal(host_open_root(host.root, &again, NULL), 0);
		assert_int_equal(os_read(&again, &os, NULL), 0);
		assert_string_equal(os.arch, TABLE[i].arch);
		assert_string_equal(os.kernel, "6.1.0-26-amd64");
		if (TABLE[i].deb)
			assert_string_equal(os_deb_arch(&os), TABLE[i].deb);
		else
			assert_null(os_deb_arch(&os));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_systems),
		cmocka_unit_test(derivatives_are_told_by_what_they_are_like),
		cmocka_unit_test(odd_quoting),
		cmocka_unit_test(bad_lines_have_a_number),
		cmocka_unit_test(without_a_text),
		host_test(etc_comes_before_usr),
		host_test(a_bad_file_is_told),
		host_test(recorded_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
