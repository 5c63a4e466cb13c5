#include "host_fixture.h"

#include <sys/wait.h>
#include <time.h>

#include "change/subid.h"

static void a_range_free_in_both(void **state)
{
	static const struct {
		const char *uids, *gids, *line;
	} CASES[] = {
		{ "", "", "sysbox:100000:65536\n" },
		{ "admin:100000:65536\n", "admin:100000:65536\n", "sysbox:165536:65536\n" },
		/* Free in one alone is not free. */
		{ "a:100000:65536\n", "b:165536:65536\n", "sysbox:231072:65536\n" },
		{ "a:165535:1\n", "", "sysbox:165536:65536\n" },
		{ "a:165536:65536\n", "", "sysbox:100000:65536\n" },
		/* Podman's, up to the last id, behind a hole that is just large enough. */
		{ "containers:2147483648:2147483648\na:100000:2147318112\n", "",
		  "sysbox:2147418112:65536\n" },
		{ "# a comment\nodd\na:b:c\n:::\nx:99999:2\n", "", "sysbox:100001:65536\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_free_ char *uids = xasprintf("%s%s", CASES[i].uids, CASES[i].line);
		_cleanup_free_ char *gids = xasprintf("%s%s", CASES[i].gids, CASES[i].line);

		put("/etc/subuid", CASES[i].uids);
		put("/etc/subgid", CASES[i].gids);
		assert_false(subid_has(&host, "sysbox"));
		must(subid_add(&host, "sysbox", &must_err));
		assert_text("/etc/subuid", uids);
		assert_text("/etc/subgid", gids);
		assert_true(subid_has(&host, "sysbox"));
		must(subid_drop(&host, "sysbox", &must_err));
		assert_text("/etc/subuid", CASES[i].uids);
		assert_text("/etc/subgid", CASES[i].gids);
	}
}

static void no_room(void **state)
{
	struct error err = ERROR_INIT;

	put("/etc/subuid", "a:1000:4294966000\n");
	put("/etc/subgid", "");
	assert_int_equal(subid_add(&host, "sysbox", &err), -ENOSPC);
	assert_says(err.message, "no 65536 ids in a row free");
	assert_text("/etc/subgid", "");
	put("/etc/subuid", "a:1:99999999999999999999999999\n");
	assert_int_equal(subid_add(&host, "sysbox", &err), -ENOSPC);
}

/* Lines that are there stay; one that lacks its other gets the same range. */
static void what_is_there_already(void **state)
{
	put("/etc/subuid", "sysbox:500000:65536\nsysboxer:1:1");
	put("/etc/subgid", "x:100000:65536");
	must(subid_add(&host, "sysbox", &must_err));
	assert_text("/etc/subuid", "sysbox:500000:65536\nsysboxer:1:1");
	assert_text("/etc/subgid", "x:100000:65536\nsysbox:500000:65536\n");
	must(subid_add(&host, "sysbox", &must_err));
	assert_text("/etc/subgid", "x:100000:65536\nsysbox:500000:65536\n");
	must(subid_drop(&host, "sysbox", &must_err));
	assert_text("/etc/subuid", "sysboxer:1:1");
}

/* useradd, which holds the lock of lckpwdf(3) while it writes. */
static void another_program_writes_them(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct timespec second = { .tv_sec = 1 };
	int fd, status;
	pid_t pid;

	put("/etc/subuid", "");
	put("/etc/.pwd.lock", "");
	fd = open(real("/etc/.pwd.lock"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	pid = fork();
	if (pid == 0) {
		nanosleep(&second, NULL);
		_exit(write(open(real("/etc/subuid"), O_WRONLY | O_CLOEXEC), "theirs:100000:65536\n", 20) == 20 ? 0 : 1);
	}
	close(fd); /* the child holds it still */
	must(subid_add(&host, "sysbox", &must_err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_text("/etc/subuid", "theirs:100000:65536\nsysbox:165536:65536\n");
}

static void without_the_files(void **state)
{
	must(host_mkdirs(&host, "/etc", 0755, NULL, &must_err));
	must(subid_drop(&host, "sysbox", &must_err));
	assert_false(is_there("/etc/subuid"));
	must(subid_add(&host, "sysbox", &must_err));
	assert_text("/etc/subuid", "sysbox:100000:65536\n");
	assert_int_equal(mode_of("/etc/subgid"), 0644);
}

static void their_mode_stays(void **state)
{
	put_bytes("/etc/subuid", "a:1:1\n", 6, 0600);
	put("/etc/subgid", "");
	must(subid_add(&host, "sysbox", &must_err));
	assert_int_equal(mode_of("/etc/subuid"), 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		host_test(a_range_free_in_both), host_test(no_room),
		host_test(what_is_there_already), host_test(without_the_files), host_test(another_program_writes_them),
		host_test(their_mode_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
