#include "host_fixture.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/inside.h"
#include "agent/limit_hits.h"
#include "change/change.h"

#define PLACES 4096 /* as many projects are counted */

static struct agent agent;

static int begin(void **state)
{
	int r = test_setup(state);

	agent = (struct agent){ .host = host, .base = event_base_new() };
	limit_hits_open(&agent);
	return r < 0 || !agent.base || !agent.hits ? -1 : 0;
}

static int end(void **state)
{
	limit_hits_close(&agent);
	event_base_free(agent.base);
	return test_teardown(state);
}

/* The project is that sandbox's from now on; NULL: nobody's. */
static void own(uint32_t project, const char *sandbox)
{
	_cleanup_free_ char *path = xasprintf("%s" POOL_DIR "/projects/%u", host.root, project);

	must(host_mkdirs(&host, POOL_DIR "/projects", 0755, NULL, &must_err));
	(void)unlink(path);
	if (sandbox)
		assert_int_equal(symlink(sandbox, path), 0);
}

/* A write of that project was refused, on the pool or another file system. */
static void refuse(uint32_t project, unsigned more)
{
	struct dquot_event event = { .project = project, .hard = true };
	struct stat st;

	assert_int_equal(stat(real(POOL_DIR), &st), 0);
	event.device_major = major(st.st_dev);
	event.device_minor = minor(st.st_dev) + more;
	limit_hits_take(&agent, &event, 1);
}

static void a_sandbox_is_counted(void **state)
{
	struct dquot_event soft = { .project = 7 };
	struct stat st;

	own(7, "abc");
	assert_int_equal(stat(real(POOL_DIR), &st), 0);
	soft.device_major = major(st.st_dev);
	soft.device_minor = minor(st.st_dev);
	limit_hits_take(&agent, &soft, 1);
	assert_int_equal(limit_hits_of(&agent, 7, "abc"), 0);
	refuse(7, 0);
	refuse(7, 0);
	assert_int_equal(limit_hits_of(&agent, 7, "abc"), 2);
	assert_int_equal(limit_hits_of(&agent, 8, "abc"), 0);
}

/* Projects of another file system have the same numbers. */
static void another_file_system_is_nobodys(void **state)
{
	own(7, "abc");
	refuse(7, 1);
	assert_int_equal(limit_hits_of(&agent, 7, "abc"), 0);
}

static void a_project_without_a_sandbox_is_nobodys(void **state)
{
	own(7, NULL);
	refuse(7, 0);
	own(7, "abc");
	assert_int_equal(limit_hits_of(&agent, 7, "abc"), 0);
}

static void a_number_that_is_used_again_begins_anew(void **state)
{
	own(7, "abc");
	refuse(7, 0);
	own(7, "def");
	assert_int_equal(limit_hits_of(&agent, 7, "def"), 0);
	refuse(7, 0);
	assert_int_equal(limit_hits_of(&agent, 7, "def"), 1);
	assert_int_equal(limit_hits_of(&agent, 7, "abc"), 0);
}

/* The place of the one that was not heard of for the longest time is given to the next. */
static void however_many_there_were_a_new_one_is_counted(void **state)
{
	for (uint32_t i = 1; i <= PLACES + 1; i++) {
		own(i, "abc");
		refuse(i, 0);
		if (i == 1)
			(void)usleep(2000);
	}
	refuse(PLACES + 1, 0);
	assert_int_equal(limit_hits_of(&agent, PLACES + 1, "abc"), 2);
	assert_int_equal(limit_hits_of(&agent, PLACES, "abc"), 1);
	assert_int_equal(limit_hits_of(&agent, 1, "abc"), 0);
}

int main(void)
{
#define hit_test(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		hit_test(a_sandbox_is_counted),
		hit_test(another_file_system_is_nobodys),
		hit_test(a_project_without_a_sandbox_is_nobodys),
		hit_test(a_number_that_is_used_again_begins_anew),
		hit_test(however_many_there_were_a_new_one_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
