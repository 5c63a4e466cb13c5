#include "step_fixture.h"

#include "step/addresses.h"

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ROUTE(interface, destination, mask) \
	interface "\t" destination "\t00000000\t0001\t0\t0\t100\t" mask "\t0\t0\t0\n"

static void ranges(void **state)
{
	uint32_t address, mask;

	assert_true(address_parse("172.24.0.1/16", &address, &mask));
	assert_int_equal(address, 0xac180001);
	assert_int_equal(mask, 0xffff0000);
	assert_true(address_parse("10.0.0.0/32", &address, &mask));
	assert_int_equal(mask, 0xffffffff);
	assert_true(address_parse("0.0.0.0/1", &address, &mask));
	assert_int_equal(mask, 0x80000000);
}

static void no_ranges(void **state)
{
	static const char *const TEXTS[] = {
		"",	      "10.0.0.1",   "10.0.0.1/",    "10.0.0.1/0", "10.0.0.1/33",
		"10.0.0.1/x", "10.0.0/8",   "10.0.0.256/8", "fd00::/8",	  "10.0.0.1/8/9",
		"/8",	      "10.0.0.1/-1"
	};
	uint32_t address, mask;

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++)
		assert_false(address_parse(TEXTS[i], &address, &mask));
}

/* Routes, and whether the defaults 172.24.0.1/16 and 172.25.0.0/16 are free beside them. */
static const struct {
	const char *routes;
	bool bridge_free, pool_free;
} ROUTES[] = {
	{ HEAD, true, true },
	{ "", true, true },
	{ HEAD ROUTE("eth0", "00000000", "00000000"), true, true },
	{ HEAD ROUTE("eth0", "0000A8C0", "0000FFFF"), true, true },
	{ HEAD ROUTE("eth0", "000018AC", "0000FFFF"), false, true },
	{ HEAD ROUTE("eth0", "000019AC", "0000FFFF"), true, false },
	{ HEAD ROUTE("eth0", "001018AC", "00F0FFFF"), false, true },  /* a part of it */
	{ HEAD ROUTE("eth0", "000010AC", "0000F0FF"), false, false }, /* 172.16.0.0/12 */
	{ HEAD ROUTE("docker0", "000018AC", "0000FFFF"), true, true },
	{ HEAD ROUTE("br-0123456789ab", "000019AC", "0000FFFF"), true, true },
	{ HEAD ROUTE("docker0", "000018AC", "0000FFFF") ROUTE("ens5", "000019AC", "0000FFFF"), true,
	  false },
	{ HEAD ROUTE("eth0", "000017AC", "0000FFFF"), true, true },
	{ HEAD ROUTE("eth0", "050018AC", "FFFFFFFF"), false, true }, /* one host */
	{ HEAD "eth0\tgarbage\nshort\n" ROUTE("eth0", "XX0018AC", "0000FFFF"), true, true },
};

static void routes(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(ROUTES); i++) {
		size_t failed = 2 - ROUTES[i].bridge_free - ROUTES[i].pool_free;

		report_release(&report);
		put("/proc/net/route", ROUTES[i].routes);
		check_addresses(&step, &report);
		assert_int_equal(report.len, 2);
		if (report_count(&report, CHECK_FAIL) != failed)
			fail_msg("%zu: %s; %s", i, report.items[0].text, report.items[1].text);
		assert_int_equal(report.items[0].verdict == CHECK_PASS, ROUTES[i].bridge_free);
	}
}

static void what_is_said(void **state)
{
	put("/proc/net/route", HEAD ROUTE("ens5", "000018AC", "0000FFFF"));
	check_addresses(&step, &report);
	assert_string_equal(report.items[0].text,
			    "172.24.0.1/16 (docker.bridge_ip) overlaps a network "
			    "this machine reaches by ens5");
	assert_string_equal(report.items[0].remedy,
			    "set docker.bridge_ip to a range that is free here");
	assert_string_equal(report.items[1].text, "172.25.0.0/16 (docker.address_pool) is free");
}

static void the_users_own_ranges_are_the_users(void **state)
{
	put("/proc/net/route", HEAD ROUTE("ens5", "000010AC", "0000F0FF"));
	put("/etc/docker/daemon.json", "{\"bip\": \"10.9.0.1/24\"}");
	check_addresses(&step, &report);
	assert_int_equal(report.len, 1);
	assert_says(report.items[0].text, "docker.address_pool");
	report_release(&report);
	put("/etc/docker/daemon.json", "{\"bip\": \"10.9.0.1/24\", \"default-address-pools\": []}");
	check_addresses(&step, &report);
	assert_int_equal(report.len, 0);
	put("/etc/docker/daemon.json", "not json");
	check_addresses(&step, &report);
	assert_int_equal(report.len, 2);
}

static void without_a_routing_table(void **state)
{
	check_addresses(&step, &report);
	assert_int_equal(report.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(no_ranges),
		step_test(routes),
		step_test(what_is_said),
		step_test(the_users_own_ranges_are_the_users),
		step_test(without_a_routing_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
