/* The two files of containerd's handler: what one attempt wrote is taken back, and nothing else. */
#include "change_fixture.h"

#include "change/handler_files.h"

#define CONFIG	"/etc/containerd/config.toml"
#define DROP_IN "/etc/containerd/conf.d/50-berth.toml"
#define PATTERN "/etc/containerd/conf.d/*.toml"
#define TEXT	"version = 3\n# ours\n"
#define IMPORT	"imports = ['" PATTERN "']\n"

static const struct handler_files FILES = { DROP_IN, TEXT, CONFIG, PATTERN };
static struct handler_attempt attempt;

static int setup(void **state)
{
	attempt = HANDLER_ATTEMPT_INIT;
	return change_setup(state);
}

static int teardown(void **state)
{
	handler_attempt_release(&attempt);
	return change_teardown(state);
}

/* As the journal notes them before the first attempt. */
static void note(void)
{
	json_t *drop_in = NULL, *config = NULL;

	must(file_state_capture(&host, DROP_IN, &drop_in, &must_err));
	must(file_state_capture(&host, CONFIG, &config, &must_err));
	before = json_pack("{s:o, s:o}", "drop_in", drop_in, "config", config);
}

static void try_once(void)
{
	handler_attempt_release(&attempt);
	must(handler_files_write(&ctx, &FILES, &attempt, &must_err));
	assert_int_equal(handler_files_hold(&ctx, &FILES, &must_err), 1);
}

static void put_back(bool restarted)
{
	must(handler_files_put_back(&ctx, &FILES, &attempt, before, restarted, &must_err));
}

static void check(const char *path, const char *text)
{
	_cleanup_(file_state_release) struct file_state now = FILE_STATE_INIT;

	must(file_state_read(&host, path, &now, &must_err));
	if (now.exists != (text != NULL) || (text && !file_state_is(&now, text, strlen(text))))
		fail_msg("'%s' is '%s'", path, now.exists ? now.data : "not there");
}

static void the_first_attempt(void **state)
{
	put(CONFIG, "version = 3\n");
	note();
	try_once();
	check(CONFIG, "version = 3\n" IMPORT);
	put_back(true);
	check(CONFIG, "version = 3\n");
	check(DROP_IN, NULL);
	assert_false(host_exists(&host, "/etc/containerd/conf.d"));
}

static void no_config_before(void **state)
{
	note();
	try_once();
	put_back(true);
	check(CONFIG, NULL);
	assert_false(host_exists(&host, "/etc/containerd"));
}

/* What an operator wrote since berth's first time is there again, not what was there before that. */
static void a_later_attempt(void **state)
{
	put(CONFIG, "version = 3\n");
	note();
	try_once();
	put(CONFIG, "version = 3\noom_score = -5\n"); /* nodeadm, Ansible: all of it anew */
	try_once();
	put_back(true);
	check(CONFIG, "version = 3\noom_score = -5\n");
}

static void a_config_that_came_later(void **state)
{
	note();
	try_once();
	put(CONFIG, "version = 2\n");
	put(DROP_IN, "# edited\n");
	try_once();
	put_back(true);
	check(CONFIG, "version = 2\n");
	check(DROP_IN, "# edited\n");
}

/* It had the import, so berth never wrote it: it is not touched, whatever was noted. */
static void a_config_that_is_not_ours(void **state)
{
	put(CONFIG, "version = 3\n" IMPORT);
	note();
	try_once();
	put(CONFIG, "version = 3\nroot = '/x'\n" IMPORT);
	try_once();
	put_back(true);
	check(CONFIG, "version = 3\nroot = '/x'\n" IMPORT);
	must(host_remove(&host, CONFIG, &must_err));
	put(DROP_IN, "# edited\n");
	put(CONFIG, IMPORT);
	try_once();
	put_back(true);
	check(CONFIG, IMPORT);
}

static void edited_while_it_was_tried(void **state)
{
	put(CONFIG, "version = 3\n");
	note();
	try_once();
	put(CONFIG, "version = 3\n" IMPORT "[grpc]\ngid = 5\n");
	put_back(true);
	check(CONFIG, "version = 3\n[grpc]\ngid = 5\n");
	try_once();
	must(host_remove(&host, CONFIG, &must_err));
	put_back(true);
	check(CONFIG, NULL);
}

/* Whoever starts containerd then has its old settings: the drop-in goes, and what was there stays. */
static void after_one_that_was_cut_off(void **state)
{
	put(CONFIG, "version = 3\n");
	note();
	try_once();
	/* A cut here: the next attempt finds both as they must be. */
	try_once();
	put_back(false);
	check(DROP_IN, TEXT);
	put_back(true);
	check(DROP_IN, NULL);
	check(CONFIG, "version = 3\n" IMPORT);
	/* And undone, all of it is. */
	{
		enum undo_outcome outcome = UNDO_NOTHING;

		must(handler_files_undo(&ctx, &FILES, before, &outcome, &why, &must_err));
		assert_int_equal(outcome, UNDO_DONE);
	}
	check(CONFIG, "version = 3\n");
}

int main(void)
{
#define files_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		files_test(the_first_attempt),	       files_test(no_config_before),
		files_test(a_later_attempt),	       files_test(a_config_that_came_later),
		files_test(a_config_that_is_not_ours), files_test(edited_while_it_was_tried),
		files_test(after_one_that_was_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
