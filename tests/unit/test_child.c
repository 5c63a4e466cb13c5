/* A runtime that is waited for: src/runc/child.c. */
#include "tree_fixture.h"

#include <signal.h>

#include "runc/child.h"

#define WORD(s) (char *)(uintptr_t)(s)

/* In a process of its own, which ends as the program does. */
static int status_of_program(const char *program, char **argv, void (*before)(void))
{
	pid_t pid = fork();
	int status;

	assert_ok(pid);
	if (pid == 0) {
		struct error err = ERROR_INIT;

		if (before)
			before();
		if (child_run(program, argv, &status, &err) < 0)
			_exit(99);
		_exit(child_end_as(status));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int status_of(const char *script)
{
	char *argv[] = { WORD("sh"), WORD("-c"), WORD(script), NULL };

	return status_of_program("/bin/sh", argv, NULL);
}

static void it_ends_as_the_child_does(void **state)
{
	int status;

	(void)state;
	assert_int_equal(WEXITSTATUS(status_of("exit 0")), 0);
	assert_int_equal(WEXITSTATUS(status_of("exit 42")), 42);
	status = status_of("kill -SEGV $$");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = status_of("kill -KILL $$");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void what_it_is_sent_is_passed_on(void **state)
{
	int status;

	(void)state;
	assert_int_equal(WEXITSTATUS(status_of("trap 'exit 7' TERM; kill -TERM $PPID; while :; do sleep 0.1; done")), 7);
	/* Its end is the child's. */
	status = status_of("kill -KILL $PPID; sleep 100");
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void ignore_children(void)
{
	(void)signal(SIGCHLD, SIG_IGN);
}

static void block_some(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

static void has_status(const char *pattern, void (*before)(void))
{
	char *argv[] = { WORD("grep"), WORD("-q"), WORD(pattern), WORD("/proc/self/status"), NULL };

	if (status_of_program("/bin/grep", argv, before) != 0)
		fail_msg("no '%s'", pattern);
}

/* SigBlk and SigIgn as bits, SIGCHLD the 17th, SIGUSR1 the 10th. */
static void dispositions_are_inherited(void **state)
{
	(void)state;
	has_status("SigIgn:.*1....$", ignore_children);
	has_status("SigIgn:.*[02468ace]....$", NULL);
	has_status("SigBlk:\t0*200$", block_some);
	has_status("SigBlk:\t0*$", NULL);
}

static void one_that_is_not_there(void **state)
{
	struct error err = ERROR_INIT;
	char *argv[] = { WORD("runc"), NULL };
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_ok(pid);
	if (pid == 0)
		_exit(child_run("/nowhere/runc", argv, &status, &err) == -ENOENT ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_ends_as_the_child_does),
		cmocka_unit_test(what_it_is_sent_is_passed_on),
		cmocka_unit_test(dispositions_are_inherited),
		cmocka_unit_test(one_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
