#include "sys/mount_watch.h"

#include <fcntl.h>
#include <sys/epoll.h>

int mount_watch_open(struct mount_watch *ret, struct error *err)
{
	struct epoll_event event = { .events = EPOLLPRI };

	*ret = MOUNT_WATCH_INIT;
	ret->table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ret->fd = epoll_create1(EPOLL_CLOEXEC);
	if (ret->table >= 0 && ret->fd >= 0 &&
	    epoll_ctl(ret->fd, EPOLL_CTL_ADD, ret->table, &event) == 0) {
		(void)mount_watch_take(ret); /* it may begin with one */
		return 0;
	}
	(void)error_errno(err, errno, "watch '/proc/self/mountinfo'");
	mount_watch_close(ret);
	return err ? -err->code : -EIO;
}

void mount_watch_close(struct mount_watch *watch)
{
	fd_closep(&watch->fd);
	fd_closep(&watch->table);
}

void mount_watch_take(const struct mount_watch *watch)
{
	struct epoll_event event;

	(void)epoll_wait(watch->fd, &event, 1, 0);
}
