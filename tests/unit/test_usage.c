/* What /metrics says of sandboxes: src/agent/usage.c, and its part of src/agent/metrics.c. */
#include "quota_fixture.h"

#include "agent/inside.h"
#include "agent/metrics.h"
#include "agent/usage.h"
#include "change/change.h"
#include "quota/budget.h"
#include "sandbox/record.h"

#define ID   "3f0c5a1be94d2277"
#define HERE "/var/lib/docker/containers/" ID

/* Docker's data root is where the settings have it: in a mount namespace of our own. */
static int group_setup(void **state)
{
	(void)state;
	may = own_mounts() && access("/var/lib", W_OK) == 0;
	if (!may)
		return 0;
	must_mount("none", "/var/lib", "tmpfs", NULL);
	make_dirs(POOL_DIR);
	return 0;
}

static void docker_names_it(const char *name)
{
	_cleanup_free_ char *text = xasprintf("{\"Name\":\"/%s\",\"Config\":{}}", name);

	make_dirs(HERE);
	put_text(HERE "/config.v2.json.tmp", text);
	assert_ok(rename(HERE "/config.v2.json.tmp", HERE "/config.v2.json"));
	put_text(HERE "/hostconfig.json", "{}");
}

static void note_running(uint32_t project)
{
	const struct record record = { .project = project, .running = true, .boot = record_boot() };
	_cleanup_fd_ int pool = open(POOL_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct error err = ERROR_INIT;

	assert_int_equal(record_write(pool, ID, &record, &err), 0);
}

static void a_name_that_changes(void **state)
{
	struct usages usages = { 0 };
	struct host host;

	(void)state;
	need_mounts();
	fake_reset();
	note_running(7);
	assert_int_equal(host_open_root(NULL, &host, NULL), 0);
	docker_names_it("first");
	assert_int_equal(usages_refresh(&usages, &host, NULL), 0);
	assert_int_equal(usages.len, 1);
	assert_string_equal(usages.items[0].name, "first");
	docker_names_it("second");
	assert_int_equal(usages_refresh(&usages, &host, NULL), 0);
	assert_int_equal(usages.len, 1);
	assert_string_equal(usages.items[0].name, "second");
	assert_string_equal(usages.items[0].engine, "docker");
	usages_release(&usages);
	host_release(&host);
}

static void says(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no '%s' in:\n%s", line, text);
}

static void no_limit_is_0(void **state)
{
	struct usage items[] = {
		{ .id = (char *)(uintptr_t)"one", .name = (char *)(uintptr_t)"one", .engine = "docker",
		  .quota = { .project = 7, .used = (uint64_t)1 << 61 } },
		{ .id = (char *)(uintptr_t)"two", .name = (char *)(uintptr_t)"two", .engine = "docker",
		  .quota = { .project = 8, .hard = 1048576, .inode_hard = 1024 } },
	};
	const struct usages usages = { .items = items, .len = 2 };
	_cleanup_(strbuf_release) struct strbuf out = STRBUF_INIT;
	static struct agent agent;

	(void)state;
	fake_reset();
	assert_int_equal(budget_apply(-1, 7, budget_make(0, 8192), NULL), 0);
	items[0].quota.hard = fake_quota(7)->hard;
	items[0].quota.inode_hard = fake_quota(7)->inode_hard;
	metrics_write(&agent, &usages, &out);
	says(strbuf_str(&out), "berth_sandbox_limit_bytes{sandbox=\"one\",name=\"one\",engine=\"docker\"} 0\n");
	says(strbuf_str(&out), "berth_sandbox_inodes_limit{sandbox=\"one\",name=\"one\",engine=\"docker\"} 0\n");
	says(strbuf_str(&out), "berth_sandbox_used_bytes{sandbox=\"one\",name=\"one\",engine=\"docker\"} 2305843009213693952\n");
	says(strbuf_str(&out), "berth_sandbox_limit_bytes{sandbox=\"two\",name=\"two\",engine=\"docker\"} 1048576\n");
	says(strbuf_str(&out), "berth_sandbox_inodes_limit{sandbox=\"two\",name=\"two\",engine=\"docker\"} 1024\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_that_changes),
		cmocka_unit_test(no_limit_is_0),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
