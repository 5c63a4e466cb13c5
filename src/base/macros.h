/*
 * Ownership by cleanup attribute, and the few macros everybody needs.
 *
 * Every owning type X offers `x_freep`; a variable declared `_cleanup_(x_freep)` is released when
 * it leaves scope, and TAKE_PTR / TAKE_FD hand it over.
 */
#ifndef BASE_MACROS_H
#define BASE_MACROS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)	      __attribute__((cleanup(f)))
#define _printf_(fmt, args)   __attribute__((format(printf, fmt, args)))
#define _nonnull_	      __attribute__((nonnull))
#define _warn_unused_	      __attribute__((warn_unused_result))
#define ARRAY_SIZE(a)	      (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)	      ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)	      ((a) > (b) ? (a) : (b))

#define TAKE_PTR(p)                                                                                \
	({                                                                                         \
		__typeof__(p) *_pp = &(p);                                                         \
		__typeof__(p) _v = *_pp;                                                           \
		*_pp = NULL;                                                                       \
		_v;                                                                                \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *_fp = &(fd);                                                                  \
		int _v = *_fp;                                                                     \
		*_fp = -EBADF;                                                                     \
		_v;                                                                                \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* A closed descriptor is -EBADF. close() is never retried: on Linux the descriptor is gone. */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void fd_closep(int *fd)
{
	*fd = fd_close(*fd);
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_fd_   _cleanup_(fd_closep)

#endif
