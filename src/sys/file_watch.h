/*
 * Files that change, by inotify. What is watched are the directories they lie in: a file may be absent,
 * removed, or replaced by a rename, and is still watched by its name.
 *
 * Of a path whose directory is not there the nearest directory above is watched: its making is told as
 * a change of the path. After any change of such a kind, watch anew.
 */
#ifndef SYS_FILE_WATCH_H
#define SYS_FILE_WATCH_H

#include "base/error.h"
#include "base/strv.h"

struct file_watch {
	int fd; /* readable: file_watch_take() */
	struct watched_dir *dirs;
	size_t len;
};

#define FILE_WATCH_INIT ((struct file_watch){ .fd = -EBADF })

int file_watch_open(struct file_watch *ret, struct error *err);
void file_watch_close(struct file_watch *watch);

/* Watch one more path, absolute, as this process sees it. Twice is fine. */
int file_watch_add(struct file_watch *watch, const char *path, struct error *err);

/*
 * What has changed since the last call: paths that were added, each once. 1 when there may be more than
 * is told (the queue overflowed, a directory went away): look at all of them and watch anew; else 0.
 */
int file_watch_take(struct file_watch *watch, struct strv *ret);

#endif
