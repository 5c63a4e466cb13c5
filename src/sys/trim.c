#include "sys/trim.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

int trim_free_space(int dir_fd, uint64_t *ret_bytes, struct error *err)
{
	struct fstrim_range range = { .len = UINT64_MAX };
	int code;

	if (ioctl(dir_fd, FITRIM, &range) == 0) {
		*ret_bytes = range.len;
		return 0;
	}
	/* What knows no such request says so in its own way: proc, pipes, FUSE. */
	code = errno == ENOTTY || errno == ENOSYS ? EOPNOTSUPP : errno;
	return error_errno(err, code, "discard the free space of a file system");
}
