#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "sys/spawn.h"

#define SH(script) ((const char *const[]){ "sh", "-c", script, NULL })

static uint64_t now_ms(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct spawn_result run_sh(const char *script, const struct spawn_options *options)
{
	struct spawn_result result = SPAWN_RESULT_INIT;
	struct error err = ERROR_INIT;
	int r = spawn_run("/bin/sh", SH(script), options, &result, &err);

	if (r < 0)
		fail_msg("spawn_run: %s", err.message);
	return result;
}

static void test_exit_code_and_streams(void **state)
{
	struct spawn_result result = run_sh("echo to-out; echo to-err >&2; exit 7", NULL);

	assert_int_equal(result.exit_code, 7);
	assert_int_equal(result.signal, 0);
	assert_false(result.timed_out);
	assert_string_equal(strbuf_str(&result.out), "to-out\n");
	assert_string_equal(strbuf_str(&result.err), "to-err\n");
	spawn_result_release(&result);
	assert_int_equal(result.exit_code, -1);
	assert_null(result.out.data);
}

static void test_exit_codes_to_the_edge(void **state)
{
	struct spawn_result result = run_sh("exit 0", NULL);

	assert_int_equal(result.exit_code, 0);
	assert_string_equal(strbuf_str(&result.out), "");
	spawn_result_release(&result);
	/* Children of ours that fail end with 127: a program's own must come through. */
	result = run_sh("exit 127", NULL);
	assert_int_equal(result.exit_code, 127);
	spawn_result_release(&result);
	result = run_sh("exit 255", NULL);
	assert_int_equal(result.exit_code, 255);
	spawn_result_release(&result);
}

static void test_signal(void **state)
{
	struct spawn_result result = run_sh("echo before; kill -9 $$", NULL);

	assert_int_equal(result.exit_code, -1);
	assert_int_equal(result.signal, SIGKILL);
	assert_false(result.timed_out);
	assert_string_equal(strbuf_str(&result.out), "before\n");
	spawn_result_release(&result);
}

static void expect_failure(const char *path, const struct spawn_options *options, int code,
			   const char *says)
{
	struct spawn_result result = { .exit_code = 42 };
	struct error err = ERROR_INIT;

	assert_int_equal(spawn_run(path, SH("exit 0"), options, &result, &err), -code);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.message, says));
	assert_int_equal(result.exit_code, 42);
}

static void test_exec_failures(void **state)
{
	const struct spawn_options lost = { .cwd = "/no/such/directory" };
	const struct spawn_options low = { .pass_fds = { 1 } };
	const struct spawn_options closed = { .pass_fds = { 987 } };
	char script[] = "/tmp/test_spawn.XXXXXX";
	int fd;

	expect_failure("/no/such/program", NULL, ENOENT, "'/no/such/program'");
	expect_failure("/etc/passwd", NULL, EACCES, "'/etc/passwd'");
	expect_failure("sh", NULL, EINVAL, "absolute");
	expect_failure("", NULL, EINVAL, "absolute");
	expect_failure("/bin/sh", &lost, ENOENT, "'/no/such/directory'");
	expect_failure("/bin/sh", &low, EBADF, "'/bin/sh'");
	expect_failure("/bin/sh", &closed, EBADF, "'/bin/sh'");

	fd = mkostemp(script, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0700), 0);
	assert_int_equal(write(fd, "not a program\n", 14), 14);
	assert_int_equal(close(fd), 0);
	expect_failure(script, NULL, ENOEXEC, script);
	assert_int_equal(unlink(script), 0);
}

static void test_environment(void **state)
{
	static const char *const env[] = { "ONLY=this", NULL };
	const struct spawn_options options = { .env = env };
	const char *const argv[] = { "env", NULL };
	struct spawn_result result = SPAWN_RESULT_INIT;

	assert_int_equal(setenv("SPAWN_SECRET", "leaks", 1), 0);
	assert_int_equal(spawn_run("/usr/bin/env", argv, NULL, &result, NULL), 0);
	assert_null(strstr(strbuf_str(&result.out), "SPAWN_SECRET"));
	assert_non_null(strstr(strbuf_str(&result.out), "LANG=C.UTF-8\n"));
	assert_non_null(strstr(strbuf_str(&result.out), "PATH="));
	spawn_result_release(&result);
	assert_int_equal(spawn_run("/usr/bin/env", argv, &options, &result, NULL), 0);
	assert_string_equal(strbuf_str(&result.out), "ONLY=this\n");
	spawn_result_release(&result);
}

static void test_working_directory(void **state)
{
	const struct spawn_options options = { .cwd = "/usr" };
	struct spawn_result result = run_sh("pwd", NULL);

	assert_string_equal(strbuf_str(&result.out), "/\n");
	spawn_result_release(&result);
	result = run_sh("pwd", &options);
	assert_string_equal(strbuf_str(&result.out), "/usr\n");
	spawn_result_release(&result);
}

static void test_input(void **state)
{
	const size_t len = 3 << 20;
	char *big = malloc(len);
	struct spawn_options options = { .input = "a\nb\n", .input_len = 4 };
	struct spawn_result result = run_sh("cat; cat >&2", &options);

	assert_string_equal(strbuf_str(&result.out), "a\nb\n");
	assert_string_equal(strbuf_str(&result.err), "");
	spawn_result_release(&result);

	result = run_sh("cat", NULL);
	assert_string_equal(strbuf_str(&result.out), "");
	assert_int_equal(result.exit_code, 0);
	spawn_result_release(&result);

	/* More than a pipe holds, to one that echoes it and to one that ignores it. */
	assert_non_null(big);
	memset(big, 'x', len);
	options = (struct spawn_options){ .input = big, .input_len = len, .output_cap = 2 * len };
	result = run_sh("cat", &options);
	assert_int_equal(result.out.len, len);
	assert_memory_equal(result.out.data, big, len);
	spawn_result_release(&result);
	result = run_sh("exit 3", &options);
	assert_int_equal(result.exit_code, 3);
	spawn_result_release(&result);
	free(big);
}

static void test_output_cap(void **state)
{
	struct spawn_options options = { .output_cap = 10 };
	struct spawn_result result =
		run_sh("echo 0123456789abcdef; dd if=/dev/zero bs=64k count=40 2>/dev/null; "
		       "echo short >&2",
		       &options);

	assert_int_equal(result.exit_code, 0);
	assert_int_equal(result.out.len, 10);
	assert_string_equal(strbuf_str(&result.out), "0123456789");
	assert_string_equal(strbuf_str(&result.err), "short\n");
	spawn_result_release(&result);

	result = run_sh("dd if=/dev/zero bs=1M count=3 2>/dev/null", NULL);
	assert_int_equal(result.out.len, 1 << 20);
	spawn_result_release(&result);
}

struct lines {
	struct strbuf text;
	size_t longest;
};

static void note_line(void *userdata, int stream, const char *line)
{
	struct lines *lines = userdata;

	lines->longest = MAX_OF(lines->longest, strlen(line));
	strbuf_printf(&lines->text, "%d[%.20s]", stream, line);
}

static void test_lines(void **state)
{
	struct lines lines = { 0 };
	struct spawn_options options = { .on_line = note_line, .userdata = &lines };
	struct spawn_result result =
		run_sh("echo one; echo; printf tw; sleep 0.05; printf 'o\\nlast'", &options);

	assert_string_equal(strbuf_str(&lines.text), "1[one]1[]1[two]1[last]");
	assert_string_equal(strbuf_str(&result.out), "one\n\ntwo\nlast");
	spawn_result_release(&result);
	strbuf_reset(&lines.text);
	result = run_sh("printf '\\002 e' >&2", &options);
	assert_string_equal(strbuf_str(&lines.text), "2[\002 e]");
	spawn_result_release(&result);

	/* An endless line is cut, what follows is whole again; the cap is not for lines. */
	strbuf_reset(&lines.text);
	options.output_cap = 4;
	result = run_sh("head -c 100000 /dev/zero | tr '\\0' x; echo; echo next", &options);
	assert_int_equal(lines.longest, SPAWN_LINE_MAX);
	assert_string_equal(strbuf_str(&lines.text), "1[xxxxxxxxxxxxxxxxxxxx]1[next]");
	assert_string_equal(strbuf_str(&result.out), "xxxx");
	spawn_result_release(&result);
	strbuf_release(&lines.text);
}

/* Whoever adopts it has to reap it first: on a busy machine that takes a while. */
static bool process_gone(pid_t pid)
{
	for (int i = 0; i < 1000; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		(void)usleep(20000);
	}
	return false;
}

static pid_t number_in(const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	assert_true(end != text && number > 1);
	return (pid_t)number;
}

static void test_timeout(void **state)
{
	const struct spawn_options options = { .timeout_ms = 200 };
	uint64_t start = now_ms();
	struct spawn_result result = run_sh("echo here; sleep 60", &options);

	assert_true(result.timed_out);
	assert_int_equal(result.signal, SIGTERM);
	assert_int_equal(result.exit_code, -1);
	assert_string_equal(strbuf_str(&result.out), "here\n");
	assert_in_range(now_ms() - start, 200, 20000);
	spawn_result_release(&result);
}

static void test_timeout_reaches_grandchildren(void **state)
{
	const struct spawn_options options = { .timeout_ms = 3000 };
	struct spawn_result result =
		run_sh("sleep 61 & echo $!; (sleep 62; true) & wait", &options);
	pid_t grandchild = number_in(strbuf_str(&result.out));

	assert_true(result.timed_out);
	assert_true(process_gone(grandchild));
	spawn_result_release(&result);
}

static void test_timeout_sigterm_ignored(void **state)
{
	const struct spawn_options options = { .timeout_ms = 3000 };
	uint64_t start = now_ms();
	struct spawn_result result =
		run_sh("trap '' TERM; echo $$; while :; do sleep 1; done", &options);

	assert_true(result.timed_out);
	assert_int_equal(result.signal, SIGKILL);
	assert_in_range(now_ms() - start, 5000, 30000);
	assert_true(process_gone(number_in(strbuf_str(&result.out))));
	spawn_result_release(&result);
}

static void test_timeout_of_a_stopped_program(void **state)
{
	const struct spawn_options options = { .timeout_ms = 2000 };
	uint64_t start = now_ms();
	struct spawn_result result = run_sh("kill -STOP $$; sleep 60", &options);

	assert_true(result.timed_out);
	assert_int_equal(result.signal, SIGTERM);
	assert_in_range(now_ms() - start, 200, 20000);
	spawn_result_release(&result);
}

/* The program ends at SIGTERM; its child does not, and holds the output: five seconds for it. */
static void test_timeout_with_a_deaf_grandchild(void **state)
{
	const struct spawn_options options = { .timeout_ms = 3000 };
	struct spawn_result result =
		run_sh("(trap '' TERM; while :; do sleep 1; done) & echo $!; wait", &options);

	assert_true(result.timed_out);
	assert_int_equal(result.signal, SIGTERM);
	assert_true(process_gone(number_in(strbuf_str(&result.out))));
	spawn_result_release(&result);
}

static void test_program_that_handles_sigterm(void **state)
{
	/* Long enough for a shell on a busy machine to have set its trap. */
	const struct spawn_options options = { .timeout_ms = 4000 };
	struct spawn_result result =
		run_sh("trap 'echo bye; exit 0' TERM; sleep 60 & wait", &options);

	assert_true(result.timed_out);
	assert_int_equal(result.exit_code, 0);
	assert_string_equal(strbuf_str(&result.out), "bye\n");
	spawn_result_release(&result);
}

static void test_daemon_left_behind(void **state)
{
	uint64_t start = now_ms();
	struct spawn_result result = run_sh("sleep 30 & echo $!; exit 4", NULL);
	pid_t left = number_in(strbuf_str(&result.out));

	assert_int_equal(result.exit_code, 4);
	assert_true(now_ms() - start < 20000);
	/* Left alone, as there was no time-out. */
	assert_int_equal(kill(left, 0), 0);
	assert_int_equal(kill(left, SIGKILL), 0);
	spawn_result_release(&result);
}

static void test_daemon_that_never_stops_talking(void **state)
{
	uint64_t start = now_ms();
	struct spawn_result result =
		run_sh("setsid sh -c 'while echo noise; do :; done' 2>/dev/null & exit 0", NULL);

	assert_int_equal(result.exit_code, 0);
	assert_true(now_ms() - start < 20000);
	spawn_result_release(&result);
}

/* All of what the program itself wrote is there, though a daemon keeps the pipe from ending. */
static void test_output_complete_despite_daemon(void **state)
{
	const struct spawn_options options = { .timeout_ms = 60000 };
	struct spawn_result result =
		run_sh("sleep 30 & echo $! >&2; head -c 60000 /dev/zero", &options);

	assert_int_equal(result.out.len, 60000);
	assert_false(result.timed_out);
	assert_int_equal(kill(number_in(strbuf_str(&result.err)), SIGKILL), 0);
	spawn_result_release(&result);
}

static void test_streams_closed_early(void **state)
{
	uint64_t start = now_ms();
	struct spawn_result result = run_sh("exec >&- 2>&-; sleep 0.3; exit 9", NULL);

	assert_int_equal(result.exit_code, 9);
	assert_in_range(now_ms() - start, 290, 20000);
	spawn_result_release(&result);
}

static void test_descriptors_do_not_leak(void **state)
{
	int leaky = open("/dev/null", O_RDONLY); /* no O_CLOEXEC: somebody forgot it */
	int passed = fcntl(leaky, F_DUPFD_CLOEXEC, 50);
	const struct spawn_options options = { .pass_fds = { passed } };
	struct spawn_result result;
	char expect[64];

	assert_true(leaky >= 3 && passed >= 50);
	/* `ls` itself opens the directory, as 3. */
	result = run_sh("exec ls -x -w 0 /proc/self/fd", NULL);
	assert_string_equal(strbuf_str(&result.out), "0  1  2  3\n");
	spawn_result_release(&result);
	result = run_sh("exec ls -x -w 0 /proc/self/fd", &options);
	(void)snprintf(expect, sizeof(expect), "0  1  2  3  %d\n", passed);
	assert_string_equal(strbuf_str(&result.out), expect);
	spawn_result_release(&result);
	assert_true(fcntl(passed, F_GETFD) & FD_CLOEXEC); /* ours is as it was */
	assert_int_equal(close(leaky), 0);
	assert_int_equal(close(passed), 0);
}

static size_t count_descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_parent_keeps_nothing(void **state)
{
	size_t before = count_descriptors();
	struct spawn_result result = run_sh("echo x", NULL);

	spawn_result_release(&result);
	expect_failure("/no/such/program", NULL, ENOENT, "program");
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and no zombie */
	assert_int_equal(errno, ECHILD);
}

static void test_signals_are_reset(void **state)
{
	sigset_t set, before;
	struct spawn_result result;

	/* One of the C library's own, which only the kernel's call can set: ignored, the rest zero. */
	static const unsigned long ignored[4] = { 1 };

	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	assert_int_equal(syscall(SYS_rt_sigaction, 32, ignored, NULL, NSIG / 8), 0);
	assert_int_equal(sigemptyset(&set), 0);
	assert_int_equal(sigaddset(&set, SIGUSR1), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	result = run_sh("exec grep -E 'Sig(Blk|Ign)' /proc/self/status", NULL);
	assert_string_equal(strbuf_str(&result.out),
			    "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
	spawn_result_release(&result);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, &set), 0);
	assert_true(sigismember(&set, SIGUSR1)); /* our own mask came back */
	assert_true(signal(SIGPIPE, SIG_DFL) == SIG_IGN);
}

static void test_own_process_group(void **state)
{
	struct spawn_result result = run_sh("exec cut -d' ' -f1,5 /proc/self/stat", NULL);
	const char *text = strbuf_str(&result.out);

	assert_int_equal(number_in(text), number_in(strchr(text, ' ')));
	spawn_result_release(&result);
}

static int check_sh(const char *script, const struct spawn_options *options, struct error *err)
{
	error_clear(err);
	return spawn_check("/bin/sh", SH(script), options, NULL, err);
}

static void test_check(void **state)
{
	struct lines lines = { 0 };
	const struct spawn_options talk = { .on_line = note_line, .userdata = &lines };
	const struct spawn_options brief = { .timeout_ms = 100 };
	struct spawn_result result = SPAWN_RESULT_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(check_sh("echo fine", &talk, &err), 0);
	assert_string_equal(strbuf_str(&lines.text), "1[fine]");
	strbuf_release(&lines.text);

	assert_int_equal(check_sh("echo no; echo why >&2; echo '  ' >&2; exit 5", NULL, &err),
			 -EPROTO);
	assert_string_equal(err.message, "'sh' ended with exit status 5: why");
	assert_int_equal(check_sh("echo only-out; exit 6", NULL, &err), -EPROTO);
	assert_string_equal(err.message, "'sh' ended with exit status 6: only-out");
	assert_int_equal(check_sh("exit 1", NULL, &err), -EPROTO);
	assert_string_equal(err.message, "'sh' ended with exit status 1");
	assert_int_equal(check_sh("kill -9 $$", NULL, &err), -EPROTO);
	assert_string_equal(err.message, "'sh' was ended by signal 9 (Killed)");
	assert_int_equal(check_sh("echo waiting; sleep 60", &brief, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "'sh' was not done after 0.1s"));
	assert_non_null(strstr(err.message, ": waiting"));

	assert_int_equal(spawn_check("/bin/sh", SH("echo out; exit 8"), NULL, &result, &err),
			 -EPROTO);
	assert_int_equal(result.exit_code, 8);
	assert_string_equal(strbuf_str(&result.out), "out\n");
	spawn_result_release(&result);
	assert_int_equal(spawn_check("/no/such/program", SH(""), NULL, &result, &err), -ENOENT);
}

/* From here on `number` fails with `code` for this process and its children. */
static bool deny_syscall(unsigned number, unsigned code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In a child: its exit status says what failed, 0 nothing. */
static int on_an_old_kernel(void)
{
	const struct spawn_options brief = { .timeout_ms = 200 };
	struct spawn_result result = SPAWN_RESULT_INIT;
	uint64_t start = now_ms();

	if (!deny_syscall(SYS_close_range, ENOSYS) || !deny_syscall(SYS_pidfd_open, ENOSYS))
		return 77;
	if (open("/dev/null", O_RDONLY) < 0)
		return 2;
	if (spawn_run("/bin/sh", SH("ls -x -w 0 /proc/self/fd; exit 3"), NULL, &result, NULL) < 0)
		return 3;
	if (result.exit_code != 3 || strcmp(strbuf_str(&result.out), "0  1  2  3\n") != 0)
		return 4;
	spawn_result_release(&result);
	if (spawn_run("/no/such/program", SH(""), NULL, &result, NULL) != -ENOENT)
		return 5;
	if (spawn_run("/bin/sh", SH("sleep 60"), &brief, &result, NULL) < 0 || !result.timed_out)
		return 6;
	spawn_result_release(&result);
	return now_ms() - start > 20000 ? 7 : 0;
}

static void test_without_close_range_and_pidfd(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(on_an_old_kernel());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no seccomp filters here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Run with 0, 1 and 2 closed: the pipes must not get lost among the child's own. */
static void test_without_standard_streams(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct spawn_options options = { .input = "in", .input_len = 2 };
		struct spawn_result result = SPAWN_RESULT_INIT;

		(void)close(0);
		(void)close(1);
		(void)close(2);
		if (spawn_run("/bin/sh", SH("cat; echo e >&2; exit 3"), &options, &result, NULL) <
		    0)
			_exit(1);
		if (result.exit_code != 3 || strcmp(strbuf_str(&result.out), "in") != 0 ||
		    strcmp(strbuf_str(&result.err), "e\n") != 0)
			_exit(2);
		if (spawn_run("/no/such", SH(""), NULL, &result, NULL) != -ENOENT)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_code_and_streams),
		cmocka_unit_test(test_exit_codes_to_the_edge),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_exec_failures),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_working_directory),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_output_cap),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_reaches_grandchildren),
		cmocka_unit_test(test_timeout_sigterm_ignored),
		cmocka_unit_test(test_timeout_of_a_stopped_program),
		cmocka_unit_test(test_timeout_with_a_deaf_grandchild),
		cmocka_unit_test(test_program_that_handles_sigterm),
		cmocka_unit_test(test_daemon_left_behind),
		cmocka_unit_test(test_daemon_that_never_stops_talking),
		cmocka_unit_test(test_output_complete_despite_daemon),
		cmocka_unit_test(test_streams_closed_early),
		cmocka_unit_test(test_descriptors_do_not_leak),
		cmocka_unit_test(test_parent_keeps_nothing),
		cmocka_unit_test(test_signals_are_reset),
		cmocka_unit_test(test_own_process_group),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_without_close_range_and_pidfd),
		cmocka_unit_test(test_without_standard_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
