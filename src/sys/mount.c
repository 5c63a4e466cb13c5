#include "sys/mount.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/strbuf.h"
#include "sys/namespace.h"
#include "sys/trial.h"

/* include/linux/fs.h, not exported to linux/mount.h */
#define DETACH_LAZY	0x00000002 /* MNT_DETACH */
#define DETACH_NOFOLLOW 0x00000008 /* UMOUNT_NOFOLLOW */

#define OVERLAY_OPTIONS "lowerdir=lower,upperdir=upper,workdir=work"
#define MAPPED_ID	1000000000U /* nobody's, to be recognised */
#define MAPPED_COUNT	65536U
#define TREE_DEPTH	16

int mount_device(const char *device, const char *target, const char *type, unsigned long flags,
		 const char *options, struct error *err)
{
	if (syscall(SYS_mount, device, target, type, flags, options) < 0)
		return error_errno(err, errno, "mount '%s' (%s%s%s) on '%s'", device, type,
				   options ? ", " : "", options ? options : "", target);
	return 0;
}

int mount_bind(const char *source, const char *target, bool recursive, struct error *err)
{
	unsigned long flags = MS_BIND | (recursive ? MS_REC : 0);

	if (syscall(SYS_mount, source, target, NULL, flags, NULL) < 0)
		return error_errno(err, errno, "bind '%s' on '%s'", source, target);
	return 0;
}

int mount_detach(const char *target, bool lazy, struct error *err)
{
	int flags = DETACH_NOFOLLOW | (lazy ? DETACH_LAZY : 0);

	if (syscall(SYS_umount2, target, flags) < 0)
		return error_errno(err, errno, "unmount '%s'", target);
	return 0;
}

static int write_file(const char *path, int flags, const char *text)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0644);

	return fd < 0 ? -errno : file_write_all(fd, text, strlen(text));
}

/* lower/file, upper, work and merged in the working directory. */
static int make_layers(void)
{
	if (mkdir("lower", 0755) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0 ||
	    mkdir("merged", 0755) < 0)
		return -errno;
	return write_file("lower/file", O_CREAT | O_EXCL, "lower");
}

/* An empty tmpfs as working directory, over a directory every system has. */
static int enter_tmpfs(void)
{
	static const char *const places[] = { "/tmp", "/run", "/mnt", "/dev" };
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (syscall(SYS_mount, "tmpfs", places[i], "tmpfs", 0, "size=1m,mode=755") == 0)
			return chdir(places[i]) < 0 ? -errno : 0;
		r = -errno;
	}
	return r;
}

/* Mount it, read, write; the file must then lie in the upper layer and be `owner`'s. */
static int use_overlay(uid_t owner, char reason[static TRIAL_REASON_MAX])
{
	struct stat st;
	int r;

	if (syscall(SYS_mount, "overlay", "merged", "overlay", 0, OVERLAY_OPTIONS) < 0)
		return trial_says(0, errno, reason, "mount an overlay");
	if (stat("merged/file", &st) < 0)
		return trial_says(0, errno, reason, "read through an overlay");
	if (st.st_uid != owner || st.st_gid != owner)
		return trial_says(0, 0, reason,
				  "a file of user 0 shows as user %u, not %u, in an overlay",
				  (unsigned)st.st_uid, (unsigned)owner);
	r = write_file("merged/file", O_APPEND, "upper");
	if (r < 0)
		return trial_says(0, r, reason, "write to an overlay");
	if (stat("upper/file", &st) < 0)
		return trial_says(0, errno, reason, "find what was written in the upper layer");
	if (st.st_size != (off_t)strlen("lowerupper") || st.st_uid != owner)
		return trial_says(0, 0, reason,
				  "a file copied up is not what it was (%lld bytes, user %u)",
				  (long long)st.st_size, (unsigned)st.st_uid);
	return 1;
}

static int try_overlay(void *userdata, char reason[static TRIAL_REASON_MAX])
{
	int r = trial_own_mounts();

	if (r < 0)
		return trial_says(r, r, reason, "make a mount namespace");
	r = enter_tmpfs();
	if (r < 0)
		return trial_says(r, r, reason, "mount a tmpfs");
	r = make_layers();
	if (r < 0)
		return trial_says(r, r, reason, "make layers on a tmpfs");
	return use_overlay(0, reason);
}

int mount_try_overlay(char ret_reason[static 256])
{
	return trial_run(try_overlay, NULL, ret_reason);
}

/* Put an ID-mapped clone of "lower" over it. */
static int map_lower(char reason[static TRIAL_REASON_MAX])
{
	_cleanup_fd_ int user = -EBADF, tree = -EBADF;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	struct error err = ERROR_INIT;
	int r = namespace_make_user(MAPPED_ID, MAPPED_COUNT, &user, &err);

	if (r < 0)
		return trial_says(r, 0, reason, "%s", err.message);
	attr.userns_fd = (uint64_t)user;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "lower", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return trial_says(0, errno, reason, "clone a mount (open_tree)");
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return trial_says(0, errno, reason,
				  "ID-map a mount of this file system (mount_setattr)");
	if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "lower", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return trial_says(0, errno, reason, "attach an ID-mapped mount (move_mount)");
	return 1;
}

static int try_idmapped(void *userdata, char reason[static TRIAL_REASON_MAX])
{
	const char *place = userdata;
	int r = trial_own_mounts();

	if (r < 0)
		return trial_says(r, r, reason, "make a mount namespace");
	r = place ? (chdir(place) < 0 ? -errno : 0) : enter_tmpfs();
	if (r < 0)
		return trial_says(r, r, reason, "go to a place to try in");
	r = make_layers();
	if (r < 0)
		return trial_says(r, r, reason, "make layers");
	r = map_lower(reason);
	return r <= 0 ? r : use_overlay(MAPPED_ID, reason);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

int mount_try_idmapped_overlay(const char *dir, char ret_reason[static 256])
{
	_cleanup_free_ char *place = NULL;
	int r;

	if (!dir)
		return trial_run(try_idmapped, NULL, ret_reason);
	place = xasprintf("%s/.berth-try-XXXXXX", dir);
	if (!place)
		return trial_says(-ENOMEM, ENOMEM, ret_reason, "make a directory to try in");
	if (!mkdtemp(place)) {
		r = -errno;
		return trial_says(r, r, ret_reason, "make a directory in '%.100s'", dir);
	}
	r = trial_run(try_idmapped, place, ret_reason);
	/* The child's mounts went with it: what is left is files and directories of ours. */
	(void)nftw(place, remove_entry, TREE_DEPTH, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return r;
}

/* 1 or 0: a line of /proc/filesystems, "nodev\toverlay" or "\text4"; or -errno. */
static int is_listed(const char *type)
{
	_cleanup_free_ char *text = NULL;
	size_t len = strlen(type);
	int r = file_read_at(AT_FDCWD, "/proc/filesystems", 65536, &text, NULL);

	if (r < 0)
		return r;
	for (const char *line = text; *line;) {
		size_t line_len = strcspn(line, "\n");
		const char *tab = memchr(line, '\t', line_len);
		const char *end = line + line_len;

		if (tab && (size_t)(end - tab - 1) == len && strncmp(tab + 1, type, len) == 0)
			return 1;
		line = *end ? end + 1 : end;
	}
	return 0;
}

int mount_try_fs(const char *type, char ret_reason[static 256])
{
	_cleanup_fd_ int context = -EBADF;
	int r = is_listed(type);

	ret_reason[0] = '\0';
	if (r < 0)
		return trial_says(r, r, ret_reason, "read '/proc/filesystems'");
	if (r > 0)
		return 1;
	/* Makes the kernel ask for the module "fs-TYPE"; nothing is mounted. */
	context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	if (context >= 0)
		return 1;
	if (errno == ENODEV)
		return trial_says(0, 0, ret_reason,
				  "the kernel has no file system '%.60s', nor a module for it",
				  type);
	return trial_says(errno == ENOSYS ? 0 : -errno, errno, ret_reason,
			  "'%.60s' is not in /proc/filesystems, and asking for its module failed",
			  type);
}

int mount_try_fuse(char ret_reason[static 256])
{
	_cleanup_fd_ int fd = -EBADF;
	int r = mount_try_fs("fuse", ret_reason);

	if (r <= 0)
		return r;
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return trial_says(0, errno, ret_reason, "open '/dev/fuse'");
	return 1;
}
