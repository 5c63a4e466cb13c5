#include "common.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

int fail(struct failure *f, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(f->text, sizeof(f->text), format, arguments);
	va_end(arguments);
	return -1;
}

int fail_errno(struct failure *f, const char *format, ...)
{
	int saved = errno;
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(f->text, sizeof(f->text), format, arguments);
	va_end(arguments);
	length = strlen(f->text);
	snprintf(f->text + length, sizeof(f->text) - length, ": %s", strerror(saved));
	return -1;
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void print_version(const char *program)
{
	printf("%s\n"
	       "\tedition: \tstand-in for tests, not Sysbox\n"
	       "\tversion: \t%s\n"
	       "\tcommit: \tnone\n"
	       "\tbuilt at: \tnever\n"
	       "\tbuilt by: \tthe tests of berth\n",
	       program, STANDIN_VERSION);
}

bool valid_id(const char *id)
{
	size_t length = id ? strlen(id) : 0;

	if (length == 0 || length > 128 || id[0] == '.')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_.-+", id[i]))
			return false;
	return true;
}

int read_whole(const char *path, size_t limit, char **ret, struct failure *f)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	size_t used = 0;

	if (fd < 0)
		return fail_errno(f, "open '%s'", path);
	/* /proc files have no size to ask for. */
	for (size_t size = 0; used == size;) {
		char *grown;

		size = size ? size * 2 : 16384;
		if (used > limit)
			return fail(f, "'%s' is larger than %zu bytes", path, limit);
		grown = realloc(text, size + 1);
		if (!grown)
			return fail(f, "read '%s': out of memory", path);
		text = grown;
		while (used < size) {
			ssize_t got = read(fd, text + used, size - used);

			if (got < 0)
				return fail_errno(f, "read '%s'", path);
			if (got == 0)
				break;
			used += (size_t)got;
		}
	}
	text[used] = '\0';
	*ret = text;
	text = NULL;
	return 0;
}

int make_dirs(const char *path, mode_t mode, struct failure *f)
{
	_cleanup_(freep) char *copy = format_string("%s", path);

	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return fail_errno(f, "make directory '%s'", copy);
		*slash = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return fail_errno(f, "make directory '%s'", copy);
	return 0;
}

bool find_program(const char *name, char *ret_path, size_t size)
{
	const char *path = getenv("PATH");

	for (const char *at = path && *path ? path : default_path; at && *at;) {
		size_t length = strcspn(at, ":");

		snprintf(ret_path, size, "%.*s/%s", (int)length, at, name);
		if (access(ret_path, X_OK) == 0)
			return true;
		at += length;
		if (*at)
			at++;
	}
	return false;
}

int run_program(const char *const argv[], struct failure *f)
{
	char path[4096];
	int status;
	pid_t child;

	if (!find_program(argv[0], path, sizeof(path)))
		return fail(f, "%s is not in PATH", argv[0]);
	child = fork();
	if (child < 0)
		return fail_errno(f, "fork");
	if (child == 0) {
		sigset_t none;

		/* The daemons block theirs. */
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execv(path, (char *const *)argv);
		_exit(127);
	}
	if (waitpid(child, &status, 0) < 0)
		return fail_errno(f, "wait for %s", argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail(f, "%s failed (wait status %#x)", argv[0], (unsigned int)status);
	return 0;
}

char *format_string(const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		abort();
	return text;
}
