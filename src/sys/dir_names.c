#include "sys/dir_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static DIR *open_again(int dir_fd)
{
	_cleanup_fd_ int copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	if (dir)
		(void)TAKE_FD(copy);
	return dir;
}

/* NULL behind the last, and where errno says so after a failure. */
static const char *next_name(DIR *dir)
{
	struct dirent *entry;

	while (errno = 0, (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	}
	return NULL;
}

int dir_names(int dir_fd, struct strv *ret)
{
	_cleanup_(close_dirp) DIR *dir = open_again(dir_fd);
	const char *name;

	if (!dir)
		return -errno;
	while ((name = next_name(dir))) {
		if (strv_add(ret, name) < 0)
			return -ENOMEM;
	}
	if (errno)
		return -errno;
	strv_sort(ret);
	return 0;
}

int dir_is_empty(int dir_fd)
{
	_cleanup_(close_dirp) DIR *dir = open_again(dir_fd);

	if (!dir)
		return -errno;
	if (next_name(dir))
		return 0;
	return errno ? -errno : 1;
}
