#include "sys/file_watch.h"

#include <libgen.h>
#include <limits.h>
#include <sys/inotify.h>

#define EVENTS                                                                                   \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A directory, with the names in it that matter and the paths they stand for. */
struct watched_dir {
	int wd;
	struct strv names, paths;
};

int file_watch_open(struct file_watch *ret, struct error *err)
{
	*ret = FILE_WATCH_INIT;
	ret->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return ret->fd < 0 ? error_errno(err, errno, "watch files") : 0;
}

void file_watch_close(struct file_watch *watch)
{
	fd_closep(&watch->fd);
	for (size_t i = 0; i < watch->len; i++) {
		strv_release(&watch->dirs[i].names);
		strv_release(&watch->dirs[i].paths);
	}
	free(watch->dirs);
	*watch = FILE_WATCH_INIT;
}

static struct watched_dir *find_dir(const struct file_watch *watch, int wd)
{
	for (size_t i = 0; i < watch->len; i++) {
		if (watch->dirs[i].wd == wd)
			return &watch->dirs[i];
	}
	return NULL;
}

static struct watched_dir *make_dir(struct file_watch *watch, int wd)
{
	struct watched_dir *dirs = find_dir(watch, wd);

	if (dirs)
		return dirs;
	dirs = reallocarray(watch->dirs, watch->len + 1, sizeof(*dirs));
	if (!dirs)
		return NULL;
	watch->dirs = dirs;
	dirs[watch->len] = (struct watched_dir){ .wd = wd };
	return &dirs[watch->len++];
}

/* The nearest directory above that is there; `name`: what of the path lies directly in it. */
static int watch_above(const struct file_watch *watch, char *path, const char **name)
{
	for (;;) {
		char *slash = strrchr(path, '/');
		int wd;

		if (!slash)
			return -ENOENT;
		*name = slash + 1;
		*slash = '\0';
		wd = inotify_add_watch(watch->fd, *path ? path : "/", EVENTS);
		if (wd >= 0 || (errno != ENOENT && errno != ENOTDIR) || !*path)
			return wd >= 0 ? wd : -errno;
	}
}

int file_watch_add(struct file_watch *watch, const char *path, struct error *err)
{
	_cleanup_free_ char *above = strdup(path);
	const char *name = NULL;
	struct watched_dir *dir;
	int wd = above ? watch_above(watch, above, &name) : -ENOMEM;

	if (wd < 0)
		return error_errno(err, wd, "watch '%s'", path);
	dir = make_dir(watch, wd);
	if (!dir)
		return error_errno(err, ENOMEM, "watch '%s'", path);
	if (strv_contains(&dir->paths, path))
		return 0;
	if (strv_add(&dir->names, name) < 0 || strv_add(&dir->paths, path) < 0)
		return error_errno(err, ENOMEM, "watch '%s'", path);
	return 0;
}

static int take_event(const struct file_watch *watch, const struct inotify_event *event,
		      struct strv *ret)
{
	const struct watched_dir *dir = find_dir(watch, event->wd);
	int r = 0;

	if ((event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)))
		return 1;
	for (size_t i = 0; dir && event->len && i < dir->names.len; i++) {
		if (strcmp(dir->names.items[i], event->name) == 0 &&
		    strv_add_new(ret, dir->paths.items[i]) < 0)
			r = 1;
	}
	return r;
}

int file_watch_take(struct file_watch *watch, struct strv *ret)
{
	_Alignas(struct inotify_event) char buf[16384];
	int more = 0;

	for (;;) {
		ssize_t n = read(watch->fd, buf, sizeof(buf));

		if (n <= 0)
			return more;
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			more |= take_event(watch, event, ret);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
}
