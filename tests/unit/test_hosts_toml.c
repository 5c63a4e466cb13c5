#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "engine/hosts_toml.h"

#include <cmocka.h>

static void as_its_documentation_has_it(void **state)
{
	static const char TEXT[] = "# mirrors of Docker's registry\n"
				   "server = \"https://registry-1.docker.io\" # itself\n"
				   "\n"
				   "[host.\"https://mirror.example.com\"]\n"
				   "  capabilities = [\"pull\", \"resolve\"]\n"
				   "  ca = \"/etc/certs/mirror.pem\"\n"
				   "  [host.\"https://mirror.example.com\".header]\n"
				   "    ca = \"no\"\n"
				   "[host.'http://10.0.0.2:5000']\n"
				   "[host.\"https://other.example.com\"]\n"
				   "  skip_verify = true\n"
				   "  capabilities = [\n"
				   "    \"pull\",\n"
				   "  ]\n"
				   "[host.\"https://big.example.com/docker\"]\n"
				   "[host.\"https://odd.example.com/v2/x\"]\n"
				   "  override_path = true\n"
				   "[host.\"https://push.example.com\"]\n"
				   "  capabilities = [\"push\"]\n"
				   "[host.\"https://mutual.example.com\"]\n"
				   "  client = [[\"/etc/certs/client.cert\", \"/etc/certs/client.key\"]]\n"
				   "[host.\"https://token.example.com\"]\n"
				   "  header.Authorization = [\"Basic YTpi\"]\n"
				   "[host.\"https://table.example.com\"]\n"
				   "[host.\"https://plain.example.com\"]\n"
				   "[host.\"https://table.example.com\".header]\n"
				   "  x-token = \"a\"\n";
	static const struct registry_mirror EXPECTED[] = {
		{ (char *)(uintptr_t)"mirror.example.com", (char *)(uintptr_t)"/etc/certs/mirror.pem", false, true },
		{ (char *)(uintptr_t)"10.0.0.2:5000", NULL, true, false },
		{ (char *)(uintptr_t)"other.example.com", NULL, true, false },
		{ (char *)(uintptr_t)"big.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"odd.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"push.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"mutual.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"token.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"table.example.com", NULL, false, true },
		{ (char *)(uintptr_t)"plain.example.com", NULL, false, false },
	};
	_cleanup_(registry_hosts_release) struct registry_hosts hosts = REGISTRY_HOSTS_INIT;

	assert_int_equal(hosts_toml_read(TEXT, &hosts), 0);
	assert_string_equal(hosts.server, "registry-1.docker.io");
	assert_int_equal(hosts.len, ARRAY_SIZE(EXPECTED));
	for (size_t i = 0; i < hosts.len; i++) {
		assert_string_equal(hosts.mirrors[i].host, EXPECTED[i].host);
		assert_int_equal(hosts.mirrors[i].insecure, EXPECTED[i].insecure);
		assert_int_equal(hosts.mirrors[i].unlike, EXPECTED[i].unlike);
		assert_int_equal(!hosts.mirrors[i].authority, !EXPECTED[i].authority);
	}
	assert_string_equal(hosts.mirrors[0].authority, "/etc/certs/mirror.pem");
}

static void what_says_nothing(void **state)
{
	static const char *const TEXTS[] = { "", "\n\n", "# only\n", "[hosts]\nserver = 'x'\n", "[host]\n", "server =\n", "[",
					     "server = \n# 'x'\n", "[host.]", "[host.\"", "=\n", "server = \"unended\n" };

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(registry_hosts_release) struct registry_hosts hosts = REGISTRY_HOSTS_INIT;

		assert_int_equal(hosts_toml_read(TEXTS[i], &hosts), 0);
		if (hosts.len || hosts.server)
			fail_msg("'%s' says something", TEXTS[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_its_documentation_has_it),
		cmocka_unit_test(what_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
