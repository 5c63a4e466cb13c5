#include "cli/nsenter.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "sys/namespace.h"

#define HOST_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define CANNOT	  "only this can be done here: nsenter -t 1 -m -u -n -i [--] PROGRAM [ARGUMENT...]"

/* Namespaces that a pod with hostPID shares with the host are asked for in vain, and do no harm. */
static const struct option OPTIONS[] = {
	{ "target", required_argument, NULL, 't' }, { "mount", no_argument, NULL, 'm' },
	{ "uts", no_argument, NULL, 'u' },	    { "net", no_argument, NULL, 'n' },
	{ "ipc", no_argument, NULL, 'i' },	    { "pid", no_argument, NULL, 'p' },
	{ "cgroup", no_argument, NULL, 'C' },	    { "all", no_argument, NULL, 'a' },
	{ NULL },
};

/* Of PID 1, the mount namespace among them: without it there is no other program to run. */
static int parse(int argc, char **argv)
{
	bool init = false, mount = false;
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, "+t:muniapC", OPTIONS, NULL)) != -1) {
		if (c == '?' || c == ':')
			return -EINVAL;
		init |= c == 't' && strcmp(optarg, "1") == 0;
		mount |= c == 'm' || c == 'a';
	}
	return init && mount ? 0 : -EINVAL;
}

int nsenter_main(int argc, char **argv)
{
	static char shell[] = "/bin/sh";
	static char *const SHELL[] = { shell, NULL };
	struct error err = ERROR_INIT;
	char *const *program;

	if (parse(argc, argv) < 0) {
		log_error(CANNOT);
		return 1;
	}
	if (namespace_enter_host(&err) < 0) {
		log_error("nsenter: %s", err.message);
		return 1;
	}
	/* The image's has nothing but its root. */
	if (setenv("PATH", HOST_PATH, 1) < 0)
		return 1;
	program = optind < argc ? &argv[optind] : SHELL;
	(void)execvp(program[0], program);
	log_error("nsenter: run '%s' on the host: %s", program[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
