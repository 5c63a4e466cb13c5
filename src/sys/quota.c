#include "sys/quota.h"

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "sys/mountinfo.h"

#ifndef SYS_quotactl_fd /* Linux 5.14 */
#define SYS_quotactl_fd 443
#endif
#define UNIT ((uint64_t)512) /* "basic blocks" */

/* quotactl() by path, for kernels before 5.14 and sandboxes that do not know quotactl_fd. */
static int quotactl_on_device(int dir_fd, int command, uint32_t id, void *data)
{
	_cleanup_(mount_table_release) struct mount_table table = MOUNT_TABLE_INIT;
	struct stat dir, device;
	int r;

	if (fstat(dir_fd, &dir) < 0)
		return -errno;
	r = mount_table_read_self(&table, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < table.len; i++) {
		const struct mount_entry *entry = &table.entries[i];

		if (makedev(entry->major, entry->minor) != dir.st_dev || entry->source[0] != '/')
			continue;
		/* The name is what somebody gave to mount: only a device that is the one counts. */
		if (stat(entry->source, &device) < 0 || !S_ISBLK(device.st_mode) ||
		    device.st_rdev != dir.st_dev)
			continue;
		return syscall(SYS_quotactl, command, entry->source, id, data) < 0 ? -errno : 0;
	}
	return -ENODEV;
}

static int project_quotactl(int dir_fd, int command, uint32_t id, void *data)
{
	int full = (int)QCMD((unsigned)command, PRJQUOTA);

	if (syscall(SYS_quotactl_fd, dir_fd, full, id, data) == 0)
		return 0;
	if (errno != ENOSYS)
		return -errno;
	return quotactl_on_device(dir_fd, full, id, data);
}

static void fill_usage(const struct fs_disk_quota *dquot, struct quota_usage *ret)
{
	*ret = (struct quota_usage){
		.project = dquot->d_id,
		.used = dquot->d_bcount * UNIT,
		.hard = dquot->d_blk_hardlimit * UNIT,
		.soft = dquot->d_blk_softlimit * UNIT,
		.inodes = dquot->d_icount,
		.inode_hard = dquot->d_ino_hardlimit,
		.inode_soft = dquot->d_ino_softlimit,
	};
}

int quota_get_state(int dir_fd, struct quota_state *ret, struct error *err)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };
	int r = project_quotactl(dir_fd, Q_XGETQSTATV, 0, &state);

	switch (r) {
	case 0:
		ret->accounting = state.qs_flags & FS_QUOTA_PDQ_ACCT;
		ret->enforcement = state.qs_flags & FS_QUOTA_PDQ_ENFD;
		return 0;
	case -ENOSYS: /* no quota in this kernel or file system */
	case -EOPNOTSUPP:
	case -EINVAL:
	case -ENOTTY:
	case -ENODEV: /* no device beneath, for the fall-back */
	case -ESRCH:  /* switched off */
		*ret = (struct quota_state){ 0 };
		return 0;
	default:
		return error_errno(err, r, "ask for the state of project quotas");
	}
}

int quota_enforce(int dir_fd, struct error *err)
{
	unsigned flags = FS_QUOTA_PDQ_ENFD;
	int r = project_quotactl(dir_fd, Q_XQUOTAON, 0, &flags);

	/* -EEXIST: it is on. */
	return r < 0 && r != -EEXIST ? error_errno(err, r, "switch project quotas on") : 0;
}

int quota_get(int dir_fd, uint32_t project, struct quota_usage *ret, struct error *err)
{
	struct fs_disk_quota dquot = { 0 };
	int r = project_quotactl(dir_fd, Q_XGETQUOTA, project, &dquot);

	if (r < 0 && r != -ENOENT)
		return error_errno(err, r, "read the quota of project %u", project);
	if (r == -ENOENT)
		memset(&dquot, 0, sizeof(dquot));
	dquot.d_id = project;
	fill_usage(&dquot, ret);
	return 0;
}

int quota_set_limit(int dir_fd, uint32_t project, uint64_t bytes, uint64_t inodes,
		    struct error *err)
{
	uint64_t units = bytes / UNIT + (bytes % UNIT != 0);
	struct fs_disk_quota dquot = {
		.d_version = FS_DQUOT_VERSION,
		.d_flags = FS_PROJ_QUOTA,
		.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT | FS_DQ_IHARD | FS_DQ_ISOFT,
		.d_id = project,
		.d_blk_hardlimit = units,
		.d_blk_softlimit = units,
		.d_ino_hardlimit = inodes,
		.d_ino_softlimit = inodes,
	};
	int r = project_quotactl(dir_fd, Q_XSETQLIM, project, &dquot);

	return r < 0 ? error_errno(err, r, "set the quota of project %u", project) : 0;
}

int quota_next(int dir_fd, uint32_t from, struct quota_usage *ret, struct error *err)
{
	struct fs_disk_quota dquot = { 0 };
	int r = project_quotactl(dir_fd, Q_XGETNEXTQUOTA, from, &dquot);

	if (r == -ENOENT)
		return error_set(err, ENOENT, "no project from %u on has a quota record", from);
	if (r < 0)
		return error_errno(err, r, "read the quota of the first project from %u on", from);
	fill_usage(&dquot, ret);
	return 0;
}

int quota_get_project(int fd, uint32_t *ret_project, bool *ret_inherit, struct error *err)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return error_errno(err, errno, "read a project id");
	*ret_project = attr.fsx_projid;
	*ret_inherit = attr.fsx_xflags & FS_XFLAG_PROJINHERIT;
	return 0;
}

int quota_set_project(int fd, uint32_t project, bool inherit, struct error *err)
{
	struct fsxattr attr;
	struct stat st;
	uint32_t flags;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at a file to tag");
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return error_errno(err, errno, "read a project id");
	flags = attr.fsx_xflags & ~(uint32_t)FS_XFLAG_PROJINHERIT;
	if (S_ISDIR(st.st_mode) && inherit)
		flags |= FS_XFLAG_PROJINHERIT;
	if (attr.fsx_projid == project && attr.fsx_xflags == flags)
		return 0;
	attr.fsx_projid = project;
	attr.fsx_xflags = flags;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0)
		return error_errno(err, errno, "set the project id %u", project);
	return 0;
}
