#include "data_root.h"
#include "overlay.h"

#include <errno.h>
#include <fts.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

const struct volume_kind volume_kinds[] = {
	{ "docker", "/var/lib/docker", 0700 },
	{ "kubelet", "/var/lib/kubelet", 0755 },
	{ "k0s", "/var/lib/k0s", 0755 },
	{ "rancher-k3s", "/var/lib/rancher/k3s", 0755 },
	{ "rancher-rke2", "/var/lib/rancher/rke2", 0755 },
	{ "buildkit", "/var/lib/buildkit", 0755 },
	{ "containerd", "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs", 0700 },
};

const size_t volume_kind_count = ARRAY_SIZE(volume_kinds);

static int detach(const char *mount_point, struct failure *f)
{
	(void)f;
	if (umount2(mount_point, MNT_DETACH) < 0)
		say("cannot detach '%s': %s", mount_point, strerror(errno));
	return 0;
}

static int remove_entry(const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_D:
		return 0;
	case FTS_DP:
	case FTS_DNR:
		return rmdir(entry->fts_accpath);
	default:
		return unlink(entry->fts_accpath);
	}
}

int remove_tree(const char *path, struct failure *f)
{
	_cleanup_(freep) char *copy = format_string("%s", path);
	char *const roots[] = { copy, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	int r = 0;

	if (!walk)
		return fail_errno(f, "walk '%s'", path);
	while ((entry = fts_read(walk)))
		if (remove_entry(entry) < 0 && errno != ENOENT)
			r = fail_errno(f, "remove '%s'", entry->fts_path);
	fts_close(walk);
	return r;
}

void data_root_wipe(const char *root)
{
	struct failure f;

	if (mounts_below(root, detach, &f) < 0)
		say("cannot look for mounts below '%s': %s", root, f.text);
	/* The root itself may be a mount point; then only its content goes. */
	if (remove_tree(root, &f) < 0)
		say("clean up: %s", f.text);
}

static int check_file_system(const char *path, struct failure *f)
{
	struct statfs st;

	if (statfs(path, &st) < 0)
		return fail_errno(f, "statfs '%s'", path);
	if (st.f_type == TMPFS_MAGIC)
		return fail(f, "'%s' can't be on tmpfs", path);
	if (st.f_type == OVERLAYFS_SUPER_MAGIC)
		return fail(f, "'%s' can't be on overlayfs", path);
	return 0;
}

int data_root_prepare(const char *root, struct failure *f)
{
	data_root_wipe(root);
	if (make_dirs(root, 0710, f) < 0)
		return -1;
	if (chown(root, 0, 0) < 0)
		return fail_errno(f, "chown '%s'", root);
	for (size_t i = 0; i < volume_kind_count; i++) {
		_cleanup_(freep) char *path = format_string("%s/%s", root, volume_kinds[i].name);

		if (make_dirs(path, 0700, f) < 0 || check_file_system(path, f) < 0)
			return -1;
	}
	return 0;
}

int data_root_can_idmap(const char *root, struct id_range range)
{
	struct failure f;
	_cleanup_(closep) int userns = ids_namespace(range, &f);
	int fd;

	if (userns < 0) {
		say("%s", f.text);
		return 0;
	}
	fd = ids_map_clone(root, false, userns);
	if (fd < 0) {
		say("no ID-mapped mounts of '%s': %s", root, strerror(-fd));
		return 0;
	}
	close(fd);
	return 1;
}
