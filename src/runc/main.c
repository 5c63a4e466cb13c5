/*
 * berth-runc: the OCI runtime that engines call in the real one's place.
 *
 * For now it passes every verb on: argv, environment, descriptors and working directory untouched, one
 * execve. Which program is the real one is said by /etc/berth/runc.conf ("runtime = /path"), else it
 * is Sysbox's. When that cannot be run, one clear line on standard error and, as engines expect of a
 * runtime, one JSON object in the file named by --log.
 */
#include <fcntl.h>
#include <time.h>

#include "base/macros.h"

#define CONFIG	"/etc/berth/runc.conf"
#define RUNTIME "/usr/bin/sysbox-runc"
#define FAILED	1 /* what runtimes exit with */

/* The value of "runtime = ..." in the text, cut out in place; NULL when there is none. */
static char *find_runtime(char *text)
{
	static const char KEY[] = "runtime";
	char *save = text;

	while (save) {
		char *line = strsep(&save, "\n");
		char *value = strchr(line, '=');

		line += strspn(line, " \t");
		if (strncmp(line, KEY, strlen(KEY)) != 0 || !value)
			continue;
		line += strlen(KEY);
		if (line + strspn(line, " \t") != value)
			continue;
		value += 1 + strspn(value + 1, " \t");
		value[strcspn(value, " \t\r")] = '\0';
		return value;
	}
	return NULL;
}

/* `buf` holds the path that is returned. No file is fine; one that cannot be read or understood is not. */
static const char *real_runtime(char *buf, size_t size, const char **ret_problem)
{
	_cleanup_fd_ int fd = open(CONFIG, O_RDONLY | O_CLOEXEC);
	const char *value;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return RUNTIME;
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (n < 0) {
		*ret_problem = strerror(errno);
		return NULL;
	}
	buf[n] = '\0';
	value = find_runtime(buf);
	if (!value || *value != '/') {
		*ret_problem = "it names no 'runtime = /absolute/path'";
		return NULL;
	}
	return value;
}

/* The file of a global --log option, in either of its forms; NULL without one. */
static const char *log_file(char **argv)
{
	for (char **arg = argv + 1; *arg && **arg == '-'; arg++) {
		if (strncmp(*arg, "--log=", 6) == 0)
			return *arg + 6;
		if (strcmp(*arg, "--log") == 0)
			return arg[1];
		/* Other options of runtimes that take the next word. */
		if ((strcmp(*arg, "--root") == 0 || strcmp(*arg, "--log-format") == 0 ||
		     strcmp(*arg, "--rootless") == 0) && arg[1])
			arg++;
	}
	return NULL;
}

static int fail(char **argv, const char *what, const char *path, const char *why)
{
	const char *file = log_file(argv);
	_cleanup_fd_ int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) :
				     -EBADF;
	char stamp[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm))
		(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	dprintf(STDERR_FILENO, "berth-runc: %s '%s': %s\n", what, path, why);
	if (fd >= 0)
		dprintf(fd, "{\"level\":\"error\",\"msg\":\"berth-runc: %s '%s': %s\",\"time\":\"%s\"}\n",
			what, path, why, stamp);
	return FAILED;
}

int main(int argc, char **argv)
{
	const char *problem = "";
	const char *runtime;
	char buf[4096];

	if (argc < 1)
		return FAILED;
	runtime = real_runtime(buf, sizeof(buf), &problem);
	if (!runtime)
		return fail(argv, "cannot use the settings", CONFIG, problem);
	execv(runtime, argv);
	return fail(argv, "cannot run the real runtime", runtime, strerror(errno));
}
