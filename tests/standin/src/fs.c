/*
 * sysbox-fs of the stand-in: there, and nothing more. The real one serves parts of /proc and /sys
 * over FUSE; this one only insists on what that needs.
 */
#include "options.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OPT_MOUNTPOINT, OPT_VERSION, OPT_V };

static const struct option_row rows[] = {
	[OPT_MOUNTPOINT] = { "mountpoint", true },
	[OPT_VERSION] = { "version", false },
	[OPT_V] = { "v", false },
	/* The rest is taken and has no effect. */
	{ "log", true },
	{ "l", true },
	{ "log-level", true },
	{ "log-format", true },
	{ "allow-immutable-remounts", false },
	{ "allow-immutable-unmounts", false },
	{ "seccomp-fd-release", true },
	{ "ignore-handler-errors", false },
	{ "cpu-profiling", false },
	{ "memory-profiling", false },
	{ NULL, false },
};

/* As with the real one it is not the daemon's start that fails without these, but every sandbox's.
 */
static int check_fuse(struct failure *f)
{
	char path[4096];
	int fd;

	if (!find_program("fusermount3", path, sizeof(path)))
		return fail(f, "failed to pre-register: exec: \"fusermount3\": not found in PATH");
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(f, "failed to pre-register: open /dev/fuse");
	close(fd);
	return 0;
}

static json_t *answer(void *context, json_t *request)
{
	const char *mountpoint = context;
	const char *verb = json_string_value(json_object_get(request, "verb"));
	const char *id = json_string_value(json_object_get(request, "id"));
	_cleanup_(freep) char *folder = NULL;
	struct failure f;

	if (!verb || !valid_id(id))
		return json_pack("{ss}", "error", "unknown request");
	folder = format_string("%s/%s", mountpoint, id);
	if (strcmp(verb, "register") == 0) {
		if (check_fuse(&f) < 0 || make_dirs(folder, 0700, &f) < 0)
			return json_pack("{ss}", "error", f.text);
	} else if (rmdir(folder) < 0 && errno != ENOENT) {
		say("cannot remove '%s': %s", folder, strerror(errno));
	}
	return json_object();
}

static const char *parse(int argc, char *argv[])
{
	const char *mountpoint = "/var/lib/sysboxfs";
	struct option_hit hit;

	for (int i = 1; i < argc; i += hit.words) {
		hit = option_read(rows, argv, i);
		if (hit.row == OPT_VERSION || hit.row == OPT_V) {
			print_version("sysbox-fs");
			exit(0);
		}
		if (hit.row < 0 || (hit.row == OPT_MOUNTPOINT && !hit.value)) {
			say("sysbox-fs: what is '%s'?", argv[i]);
			exit(1);
		}
		if (hit.row == OPT_MOUNTPOINT)
			mountpoint = hit.value;
	}
	return mountpoint;
}

int main(int argc, char *argv[])
{
	const char *mountpoint = parse(argc, argv);
	struct service service = { .socket = FS_SOCKET, .answer = answer };
	_cleanup_(freep) char *context = format_string("%s", mountpoint);
	struct failure f;
	int signals = service_block_signals(&f);

	service.context = context;
	say("Starting sysbox-fs: stand-in for tests, not Sysbox");
	if (signals < 0 || make_dirs(RUN_DIR, 0700, &f) < 0 ||
	    make_dirs(mountpoint, 0755, &f) < 0 || service_run(&service, signals, &f) < 0) {
		say("sysbox-fs: %s", f.text);
		return 1;
	}
	return 0;
}
