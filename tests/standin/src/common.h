/*
 * What the three stand-in programs share: errors as sentences, small file helpers, running a
 * program.
 *
 * A function that can fail returns 0 or -1 and leaves the reason in the caller's struct failure.
 */
#ifndef STANDIN_COMMON_H
#define STANDIN_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define STANDIN_VERSION "0.7.1"
#define RUN_DIR		"/run/sysbox"
#define MGR_SOCKET	RUN_DIR "/sysmgr.sock"
#define FS_SOCKET	RUN_DIR "/sysfs.sock"
/* Where runc finds every root file system; on the host an empty folder, as `runc exec` wants one.
 */
#define ROOTFS	       RUN_DIR "/rootfs"

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))

struct failure {
	char text[2048];
};

/* Both return -1; the second appends what errno says. */
_printf_(2, 3) int fail(struct failure *f, const char *format, ...);
_printf_(2, 3) int fail_errno(struct failure *f, const char *format, ...);

/* One line on standard error, where the journal picks it up. */
_printf_(1, 2) void say(const char *format, ...);

/* The same words and the same order as the program it stands in for, except where it says what it
 * is. */
void print_version(const char *program);

/* A container id that is safe as a file name. */
bool valid_id(const char *id);

/* The content of a file of at most `limit` bytes, NUL-terminated; the caller frees it. */
int read_whole(const char *path, size_t limit, char **ret, struct failure *f);

/* mkdir -p. */
int make_dirs(const char *path, mode_t mode, struct failure *f);

/* Where PATH has a program of that name; false if nowhere. */
bool find_program(const char *name, char *ret_path, size_t size);

/* Run to the end and expect exit status 0. */
int run_program(const char *const argv[], struct failure *f);

/* An asprintf that does not return when memory is out. */
_printf_(1, 2) char *format_string(const char *format, ...);

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
