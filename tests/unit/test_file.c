#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/strbuf.h"

#include <cmocka.h>

#define TEMP ".f.berth-tmp"

static const struct file_attrs *attrs(mode_t mode)
{
	static struct file_attrs a;

	a = (struct file_attrs) { .mode = mode, .uid = geteuid(), .gid = getegid() };
	return &a;
}

static int write_text(int dir, const char *name, const char *text, struct error *err)
{
	return file_write_atomic_at(dir, name, text, strlen(text), attrs(0640), err);
}

static void assert_content(int dir, const char *name, const char *expected)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0;

	assert_int_equal(file_read_at(dir, name, FILE_CAP_DEFAULT, &data, &len), 0);
	assert_int_equal(len, strlen(expected));
	assert_string_equal(data, expected);
}

static bool exists(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A directory of each test's own; *state is its descriptor. */
struct dir {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct dir *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	(void)snprintf(d->path, sizeof(d->path), "/tmp/berth-test-file-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = d;
	return d->fd < 0;
}

static int teardown(void **state)
{
	struct dir *d = *state;
	DIR *list = fdopendir(d->fd);

	if (!list)
		return -1;
	rewinddir(list);
	for (struct dirent *e = readdir(list); e; e = readdir(list)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(list), e->d_name, 0) < 0)
			(void)unlinkat(dirfd(list), e->d_name, AT_REMOVEDIR);
	}
	(void)closedir(list);
	(void)rmdir(d->path);
	free(d);
	return 0;
}

static int dir_of(void **state)
{
	return ((struct dir *)*state)->fd;
}

static void writes_and_replaces(void **state)
{
	struct error err = ERROR_INIT;
	int dir = dir_of(state);
	struct stat st;
	ino_t first;

	assert_int_equal(write_text(dir, "f", "one\n", &err), 0);
	assert_content(dir, "f", "one\n");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	first = st.st_ino;
	assert_int_equal(write_text(dir, "f", "", &err), 0);
	assert_content(dir, "f", "");
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_true(st.st_ino != first); /* another file under the name, never the same rewritten */
	assert_false(exists(dir, TEMP));
	assert_int_equal(err.code, 0);
}

static void mode_is_as_asked(void **state)
{
	static const mode_t MODES[] = { 0600, 0644, 0666, 0755, 0400 };
	mode_t mask = umask(077);

	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++) {
		struct stat st;

		assert_int_equal(
			file_write_atomic_at(dir_of(state), "f", "x", 1, attrs(MODES[i]), NULL), 0);
		assert_int_equal(fstatat(dir_of(state), "f", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, MODES[i]);
		assert_int_equal(st.st_uid, geteuid());
	}
	(void)umask(mask);
}

static void owner_is_as_asked(void **state)
{
	struct file_attrs a = { .mode = 0600, .uid = 12345, .gid = 54321 };
	struct error err = ERROR_INIT;
	struct stat st;

	assert_int_equal(file_write_atomic_at(dir_of(state), "f", "x", 1, &a, &err), 0);
	assert_int_equal(fstatat(dir_of(state), "f", &st, 0), 0);
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 54321);
	} else {
		assert_int_equal(st.st_uid, geteuid());
	}
}

static void reading_has_a_cap(void **state)
{
	int dir = dir_of(state);
	char *data = NULL;
	size_t len = 0;

	assert_int_equal(write_text(dir, "f", "0123456789", NULL), 0);
	assert_int_equal(file_read_at(dir, "f", 9, &data, &len), -EFBIG);
	assert_null(data);
	assert_int_equal(len, 0);
	assert_int_equal(file_read_at(dir, "f", 10, &data, NULL), 0);
	assert_string_equal(data, "0123456789");
	free(data);
	/* A file without end stops at the cap too. */
	_cleanup_fd_ int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	data = NULL;
	assert_int_equal(file_read_fd(zero, 100000, &data, &len), -EFBIG);
	assert_null(data);
}

static void reads_bytes_as_they_are(void **state)
{
	int dir = dir_of(state);
	unsigned char all[100000];
	char *data = NULL;
	size_t len = 0;

	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)(i * 7 + i / 256);
	assert_int_equal(file_write_atomic_at(dir, "f", all, sizeof(all), attrs(0600), NULL), 0);
	assert_int_equal(file_read_at(dir, "f", sizeof(all), &data, &len), 0);
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(data, all, sizeof(all));
	assert_int_equal(data[len], '\0');
	free(data);
}

static void reads_proc(void **state)
{
	_cleanup_fd_ int proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t len = 0;

	assert_int_equal(file_read_at(proc, "status", FILE_CAP_DEFAULT, &data, &len), 0);
	assert_int_equal(strncmp(data, "Name:", 5), 0);
	assert_int_equal(strlen(data), len);
}

static void only_regular_files(void **state)
{
	int dir = dir_of(state);
	char *data = NULL;

	assert_int_equal(file_read_at(dir, "none", 10, &data, NULL), -ENOENT);
	assert_int_equal(file_read_at(dir, ".", 10, &data, NULL), -EISDIR);
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(file_read_at(dir, "fifo", 10, &data, NULL), -EINVAL); /* and no hang */
	assert_int_equal(file_read_at(-EBADF, "f", 10, &data, NULL), -EBADF);
	assert_int_equal(file_read_fd(-EBADF, 10, &data, NULL), -EBADF);
	assert_null(data);
}

static void a_failed_write_leaves_no_trace(void **state)
{
	struct error err = ERROR_INIT;
	int dir = dir_of(state);
	char name[NAME_MAX + 1];

	/* A name that is a directory. */
	assert_int_equal(mkdirat(dir, "f", 0700), 0);
	assert_int_equal(write_text(dir, "f", "x", &err), -EISDIR);
	assert_int_equal(err.code, EISDIR);
	assert_non_null(strstr(err.message, "'f'"));
	assert_false(exists(dir, TEMP));
	/* A name that leaves no room for the temporary one. */
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_int_equal(write_text(dir, name, "x", &err), -ENAMETOOLONG);
	assert_false(exists(dir, name));
	assert_int_equal(write_text(-EBADF, "f", "x", &err), -EBADF);
}

static void symlinks_are_replaced_not_followed(void **state)
{
	struct error err = ERROR_INIT;
	int dir = dir_of(state);
	struct stat st;

	assert_int_equal(write_text(dir, "victim", "precious", &err), 0);
	assert_int_equal(symlinkat("victim", dir, "f"), 0);
	assert_int_equal(symlinkat("victim", dir, TEMP), 0);
	assert_int_equal(write_text(dir, "f", "new", &err), 0);
	assert_content(dir, "victim", "precious");
	assert_content(dir, "f", "new");
	assert_int_equal(fstatat(dir, "f", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_false(exists(dir, TEMP));
}

static void removal(void **state)
{
	struct error err = ERROR_INIT;
	int dir = dir_of(state);

	assert_int_equal(file_remove_at(dir, "f", &err), 0);
	assert_int_equal(write_text(dir, "f", "x", &err), 0);
	assert_int_equal(write_text(dir, TEMP, "left by a crash", &err), 0);
	assert_int_equal(file_remove_at(dir, "f", &err), 0);
	assert_false(exists(dir, "f"));
	assert_false(exists(dir, TEMP));
	assert_int_equal(err.code, 0);
	assert_int_equal(mkdirat(dir, "f", 0700), 0);
	assert_int_equal(file_remove_at(dir, "f", &err), -EISDIR);
	assert_true(exists(dir, "f"));
	assert_non_null(strstr(err.message, "remove 'f'"));
}

static void short_writes_are_continued(void **state)
{
	static char data[1 << 20];
	char got[4096];
	size_t total = 0;
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	memset(data, 'w', sizeof(data));
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(fds[0]);
		_exit(file_write_all(fds[1], data, sizeof(data)) == 0 ? 0 : 1);
	}
	(void)close(fds[1]);
	for (ssize_t n = read(fds[0], got, sizeof(got)); n > 0; n = read(fds[0], got, sizeof(got)))
		total += (size_t)n;
	(void)close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(total, sizeof(data));
}

static void write_errors_are_told(void **state)
{
	_cleanup_fd_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int fds[2];

	assert_int_equal(file_write_all(full, "x", 1), -ENOSPC);
	assert_int_equal(file_write_all(full, "x", 0), 0);
	assert_int_equal(file_write_all(-EBADF, "x", 1), -EBADF);
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	(void)close(fds[0]);
	assert_int_equal(file_write_all(fds[1], "x", 1), -EPIPE);
	(void)close(fds[1]);
}

#ifdef BERTH_FAULT_POINTS

static int write_new(int dir)
{
	return write_text(dir, "f", "new content\n", NULL);
}

static int remove_f(int dir)
{
	return file_remove_at(dir, "f", NULL);
}

/* This program started anew for one piece of work: points are counted from a process's start. */
static int work(const char *verb, const char *path)
{
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = strcmp(verb, "write") == 0 ? write_new(dir) : remove_f(dir);

	return r == 0 ? 0 : 1;
}

/* The exit status of a process that does it with the N-th fault point armed. */
static int status_of(void **state, unsigned at, const char *verb)
{
	const struct dir *d = *state;
	char number[16];
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		(void)snprintf(number, sizeof(number), "%u", at);
		(void)setenv("BERTH_FAULT_AT", number, 1);
		(void)execl("/proc/self/exe", "test_file", verb, d->path, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Cut at each point: the target is the old or the new, and the next run mends what is left. */
static void a_cut_write_is_old_or_new(void **state)
{
	static const char *const AFTER[] = { "old\n", "old\n", "new content\n" };
	int dir = dir_of(state);

	for (unsigned at = 1; at <= ARRAY_SIZE(AFTER); at++) {
		assert_int_equal(write_text(dir, "f", "old\n", NULL), 0);
		assert_int_equal(status_of(state, at, "write"), 137);
		assert_content(dir, "f", AFTER[at - 1]);
		assert_int_equal(exists(dir, TEMP), at < 3);
		assert_int_equal(write_new(dir), 0);
		assert_content(dir, "f", "new content\n");
		assert_false(exists(dir, TEMP));
	}
	/* There are just these three. */
	assert_int_equal(status_of(state, ARRAY_SIZE(AFTER) + 1, "write"), 0);
}

static void a_cut_first_write_is_none_or_new(void **state)
{
	int dir = dir_of(state);

	for (unsigned at = 1; at <= 3; at++) {
		assert_int_equal(file_remove_at(dir, "f", NULL), 0);
		assert_int_equal(status_of(state, at, "write"), 137);
		assert_int_equal(exists(dir, "f"), at == 3);
	}
	assert_content(dir, "f", "new content\n");
}

static void a_cut_removal_can_be_repeated(void **state)
{
	int dir = dir_of(state);

	assert_int_equal(write_new(dir), 0);
	assert_int_equal(status_of(state, 1, "remove"), 137);
	assert_int_equal(remove_f(dir), 0);
	assert_false(exists(dir, "f"));
	assert_int_equal(status_of(state, 2, "remove"), 0);
}

static void points_are_traced(void **state)
{
	struct dir *d = *state;
	_cleanup_free_ char *file = xasprintf("%s/trace", d->path);

	assert_non_null(file);
	(void)setenv("BERTH_FAULT_TRACE", file, 1);
	assert_int_equal(write_new(d->fd), 0);
	assert_int_equal(remove_f(d->fd), 0);
	(void)unsetenv("BERTH_FAULT_TRACE");
	assert_content(d->fd, "trace", "file:temp\nfile:rename\nfile:done\nfile:removed\n");
}

#endif

static _Noreturn void write_for_ever(int dir, const char *old, size_t old_len, const char *new,
				     size_t new_len)
{
	for (;;) {
		(void)file_write_atomic_at(dir, "f", new, new_len, attrs(0600), NULL);
		(void)file_write_atomic_at(dir, "f", old, old_len, attrs(0600), NULL);
	}
}

/* A writer killed at any moment: a reader sees one of the two contents, whole. */
static void a_killed_writer_leaves_a_whole_file(void **state)
{
	static char old[200000], new[300000];
	int dir = dir_of(state);
	unsigned seen_old = 0, seen_new = 0;

	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	assert_int_equal(file_write_atomic_at(dir, "f", old, sizeof(old), attrs(0600), NULL), 0);
	for (unsigned i = 0; i < 40; i++) {
		_cleanup_free_ char *data = NULL;
		size_t len = 0;
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			write_for_ever(dir, old, sizeof(old), new, sizeof(new));
		(void)usleep(500 + i * 130);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(file_read_at(dir, "f", FILE_CAP_DEFAULT, &data, &len), 0);
		if (len == sizeof(old)) {
			assert_memory_equal(data, old, sizeof(old));
			seen_old++;
		} else {
			assert_int_equal(len, sizeof(new));
			assert_memory_equal(data, new, sizeof(new));
			seen_new++;
		}
	}
	assert_int_equal(seen_old + seen_new, 40);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_and_replaces),
		TEST(mode_is_as_asked),
		TEST(owner_is_as_asked),
		TEST(reading_has_a_cap),
		TEST(reads_bytes_as_they_are),
		TEST(reads_proc),
		TEST(only_regular_files),
		TEST(a_failed_write_leaves_no_trace),
		TEST(symlinks_are_replaced_not_followed),
		TEST(removal),
		TEST(short_writes_are_continued),
		TEST(write_errors_are_told),
#ifdef BERTH_FAULT_POINTS
		TEST(a_cut_write_is_old_or_new),
		TEST(a_cut_first_write_is_none_or_new),
		TEST(a_cut_removal_can_be_repeated),
		TEST(points_are_traced),
#endif
		TEST(a_killed_writer_leaves_a_whole_file),
	};

#ifdef BERTH_FAULT_POINTS
	if (argc == 3)
		return work(argv[1], argv[2]);
#else
	printf("the tests of fault points are left out: built without them\n");
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
