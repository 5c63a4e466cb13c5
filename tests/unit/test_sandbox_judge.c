#include <setjmp.h>
#include <stdarg.h>

#include "step/sandbox.h"

#include <cmocka.h>

#define MAP "\"uid\": 0, \"uid_map\": \"0 165536 65536 \""
#define VIEWS \
	"\"proc_mounts\": [\"/proc proc\", \"/proc/sys fuse\"], \"sys_mounts\": [\"/sys/kernel fuse\"]"

/* What the probe printed; the verdicts on the map and on the views, and words of theirs. */
static const struct {
	const char *probe;
	bool stand_in;
	const char *map_id;
	enum verdict map, views;
	const char *says;
} TABLE[] = {
	{ "{" MAP ", " VIEWS "}", false, "sandbox.userns", CHECK_PASS, CHECK_PASS,
	  "root inside is not root outside (uid_map '0 165536 65536 ')" },
	{ "{\"uid\": 0, \"uid_map\": \"0 0 4294967295 \", " VIEWS "}", false, "sandbox.userns",
	  CHECK_FAIL, CHECK_PASS, "root inside the sandbox is root outside" },
	{ "{\"uid\": 0, " VIEWS "}", false, "sandbox.userns", CHECK_FAIL, CHECK_PASS,
	  "root outside" },
	{ "{\"uid\": 1000, \"uid_map\": \"0 165536 65536 \", " VIEWS "}", false, "sandbox.root",
	  CHECK_FAIL, CHECK_PASS, "is not root inside" },
	{ "{}", false, "sandbox.root", CHECK_FAIL, CHECK_FAIL, "is not root inside" },
	{ "{" MAP ", \"proc_mounts\": [\"/proc proc\"], \"sys_mounts\": [\"/sys/kernel fuse\"]}",
	  false, "sandbox.userns", CHECK_PASS, CHECK_FAIL,
	  "the sandbox has no /proc and its /sys views" },
	{ "{" MAP ", \"proc_mounts\": [\"/proc fuse\"], \"sys_mounts\": []}", false,
	  "sandbox.userns", CHECK_PASS, CHECK_FAIL, "the sandbox has its /proc and no /sys views" },
	{ "{" MAP ", \"proc_mounts\": [1, null], \"sys_mounts\": \"fuse\"}", false,
	  "sandbox.userns", CHECK_PASS, CHECK_FAIL, "no /proc and no /sys" },
	{ "{" MAP "}", true, "sandbox.userns", CHECK_PASS, CHECK_SKIP, "stand-in" },
	{ "{\"uid\": \"0\", \"uid_map\": 5}", true, "sandbox.root", CHECK_FAIL, CHECK_SKIP,
	  "root" },
	{ "[]", true, "sandbox.root", CHECK_FAIL, CHECK_SKIP, "root" },
};

static void budgets(void **state)
{
	static const struct {
		const char *probe;
		enum verdict verdict;
		const char *says;
	} BUDGETS[] = {
		{ "{\"filled_layer\": 6291456, \"filled_inner\": 10420224, \"stopped_by\": 28}", CHECK_PASS,
		  "stopped at 15.9M" },
		{ "{\"filled_layer\": 6291456, \"filled_inner\": 67108864, \"stopped_by\": 0}", CHECK_FAIL,
		  "not stopped" },
		{ "{\"filled_layer\": 6291456, \"filled_inner\": 67108864, \"stopped_by\": 28}", CHECK_FAIL,
		  "stopped there" },
		{ "{\"filled_layer\": 0, \"filled_inner\": 0, \"stopped_by\": 13}", CHECK_FAIL,
		  "Permission denied" },
		{ "{}", CHECK_FAIL, "0.0M" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(BUDGETS); i++) {
		_cleanup_(report_release) struct report report = REPORT_INIT;
		_cleanup_json_ json_t *probe = NULL;

		assert_int_equal(json_parse(BUDGETS[i].probe, strlen(BUDGETS[i].probe), "probe", &probe, NULL), 0);
		sandbox_judge(probe, true, &report);
		assert_string_equal(report.items[2].id, "sandbox.budget");
		assert_int_equal(report.items[2].verdict, BUDGETS[i].verdict);
		if (!strstr(report.items[2].text, BUDGETS[i].says))
			fail_msg("says '%s'", report.items[2].text);
	}
}

static void verdicts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		_cleanup_(report_release) struct report report = REPORT_INIT;
		_cleanup_json_ json_t *probe = NULL;

		assert_int_equal(
			json_parse(TABLE[i].probe, strlen(TABLE[i].probe), "probe", &probe, NULL),
			0);
		sandbox_judge(probe, TABLE[i].stand_in, &report);
		assert_int_equal(report.len, 3);
		assert_string_equal(report.items[0].id, TABLE[i].map_id);
		assert_string_equal(report.items[1].id, "sandbox.views");
		if (report.items[0].verdict != TABLE[i].map ||
		    report.items[1].verdict != TABLE[i].views)
			fail_msg("%s: %s; %s", TABLE[i].probe, report.items[0].text,
				 report.items[1].text);
		if (!strstr(report.items[0].text, TABLE[i].says) &&
		    !strstr(report.items[1].text, TABLE[i].says))
			fail_msg("%s: %s; %s", TABLE[i].probe, report.items[0].text,
				 report.items[1].text);
	}
}

static void a_failure_has_a_remedy(void **state)
{
	_cleanup_(report_release) struct report report = REPORT_INIT;
	_cleanup_json_ json_t *probe = json_object();

	sandbox_judge(probe, false, &report);
	for (size_t i = 0; i < report.len; i++)
		assert_non_null(report.items[i].remedy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budgets), cmocka_unit_test(verdicts),
		cmocka_unit_test(a_failure_has_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
