/*
 * berth pool attach|detach PATH: for berth-pool.service. Links /run/berth/pool-device to the device the
 * pool is on, attaching a loop device for an image. Nothing is ever formatted here.
 */
#include <fcntl.h>

#include "cli/command.h"
#include "step/layout.h"
#include "sys/blkprobe.h"
#include "sys/loop.h"

static int check(int fd, const char *path, struct error *err)
{
	struct blkprobe probe;
	int r = blkprobe_fd(fd, &probe, err);

	if (r == 0 && strcmp(probe.type, "xfs") != 0)
		r = error_set(err, EINVAL, "'%s' holds no XFS file system that is recognised: berth does "
			      "not make it anew; Docker and Sysbox stay down", path);
	return r;
}

/* Relink atomically: the mount unit may be looking. */
static int link_device(const char *device, struct error *err)
{
	static const char TEMP[] = POOL_LINK ".new";

	if (mkdir("/run/berth", 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "make '/run/berth'");
	(void)unlink(TEMP);
	if (symlink(device, TEMP) < 0 || rename(TEMP, POOL_LINK) < 0)
		return error_errno(err, errno, "link '%s' to '%s'", POOL_LINK, device);
	return 0;
}

static int attach(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct loop_device loop;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "open the pool '%s'", path);
	r = check(fd, path, err);
	if (r < 0)
		return r;
	if (S_ISBLK(st.st_mode))
		return link_device(path, err);
	r = loop_find(fd, &loop, err);
	if (r == -ENOENT) {
		error_clear(err);
		r = loop_attach(fd, 0, &loop, err);
	}
	return r < 0 ? r : link_device(loop.device, err);
}

static int detach(const char *path, struct error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct loop_device loop;
	struct stat st;
	int r;

	(void)unlink(POOL_LINK);
	if (fd < 0 || fstat(fd, &st) < 0 || S_ISBLK(st.st_mode))
		return 0;
	r = loop_find(fd, &loop, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : loop_detach(loop.device, err);
}

int command_pool(const struct arguments *args)
{
	struct error err = ERROR_INIT;
	bool attaching = strcmp(args->argv[0], "attach") == 0;
	int r;

	if (!attaching && strcmp(args->argv[0], "detach") != 0) {
		print_command_help(command_find("pool"));
		return EXIT_USAGE;
	}
	r = attaching ? attach(args->argv[1], &err) : detach(args->argv[1], &err);
	return r < 0 ? cli_fail(args, &err) : EXIT_DONE;
}
