#include "host_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "node/lock.h"

/* Another process that holds the lock until the descriptor is closed. */
struct holder {
	pid_t pid;
	int let_go;
};

static struct holder hold(void)
{
	struct holder holder;
	int ready[2], go[2];
	char byte = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	holder.pid = fork();
	assert_true(holder.pid >= 0);
	if (holder.pid == 0) {
		int fd = -1;

		close(go[1]);
		byte = lock_take(&host, "install", 0, NULL, &fd, NULL) == 0;
		(void)!write(ready[1], &byte, 1);
		(void)!read(go[0], &byte, 1); /* until the other end is closed */
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	close(ready[0]);
	holder.let_go = go[1];
	return holder;
}

static void end(struct holder *holder)
{
	close(holder->let_go);
	assert_int_equal(waitpid(holder->pid, NULL, 0), holder->pid);
}

static void taken_and_released(void **state)
{
	_cleanup_free_ char *text = xasprintf("berth plan, process %d\n", (int)getpid());
	int fd = -1;

	must(lock_take(&host, "plan", 0, NULL, &fd, &must_err));
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_text(LOCK_FILE, text);
	close(fd);
	must(lock_take(&host, "a longer command", 0, NULL, &fd, &must_err));
	assert_says(text_of(LOCK_FILE), "berth a longer command, process ");
	close(fd);
	must(lock_take(&host, "x", 0, NULL, &fd, &must_err));
	assert_null(strstr(text_of(LOCK_FILE), "longer"));
	close(fd);
}

static void one_at_a_time(void **state)
{
	struct holder holder = hold();
	_cleanup_free_ char *who = xasprintf("(berth install, process %d)", (int)holder.pid);
	struct error err = ERROR_INIT;
	int fd = -1;

	assert_int_equal(lock_take(&host, "uninstall", 0, NULL, &fd, &err), -EBUSY);
	assert_int_equal(fd, -1);
	assert_says(err.message, "another berth is at work on this host");
	assert_says(err.message, who);
	assert_says(err.message, "--wait");
	assert_says(text_of(LOCK_FILE), "berth install"); /* still the holder's */
	end(&holder);
	must(lock_take(&host, "uninstall", 0, NULL, &fd, &must_err));
	close(fd);
}

static void a_killed_holder_holds_nothing(void **state)
{
	struct holder holder = hold();
	int fd = -1;

	kill(holder.pid, SIGKILL);
	end(&holder);
	must(lock_take(&host, "install", 0, NULL, &fd, &must_err));
	close(fd);
}

static void let_go_while_told(void *userdata, const char *text)
{
	struct holder *holder = userdata;

	assert_says(text, "waiting for another berth (berth install, process ");
	end(holder);
	holder->pid = 0;
}

static void waiting(void **state)
{
	struct holder holder = hold();
	struct progress progress = { .activity = let_go_while_told, .userdata = &holder };
	int fd = -1;

	must(lock_take(&host, "install", 60000, &progress, &fd, &must_err));
	assert_int_equal(holder.pid, 0);
	close(fd);
}

static void a_holder_without_a_name(void **state)
{
	struct holder holder = hold();
	struct error err = ERROR_INIT;
	int fd = -1;

	assert_int_equal(truncate(real(LOCK_FILE), 0), 0);
	assert_int_equal(lock_take(&host, "install", 0, NULL, &fd, &err), -EBUSY);
	assert_says(err.message, "(another berth)");
	end(&holder);
}

static void no_link_is_followed(void **state)
{
	struct error err = ERROR_INIT;
	int fd = -1;

	must(host_mkdirs(&host, "/run/berth", 0755, NULL, &must_err));
	put("/theirs", "text");
	assert_int_equal(symlink("/theirs", real(LOCK_FILE)), 0);
	assert_int_equal(lock_take(&host, "install", 0, NULL, &fd, &err), -ELOOP);
	assert_says(err.message, "open the lock '" LOCK_FILE "'");
	assert_text("/theirs", "text");
}

static void without_a_place(void **state)
{
	struct error err = ERROR_INIT;
	int fd = -1;

	put("/run", "a file");
	assert_int_equal(lock_take(&host, "install", 0, NULL, &fd, &err), -ENOTDIR);
	assert_says(err.message, "/run/berth");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(taken_and_released),
		host_test(one_at_a_time),
		host_test(a_killed_holder_holds_nothing),
		host_test(waiting),
		host_test(a_holder_without_a_name),
		host_test(no_link_is_followed),
		host_test(without_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
