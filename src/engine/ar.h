/*
 * ar archives, and what a Debian package is as one: "debian-binary", "control.tar.*", "data.tar.*".
 *
 * Read by offset from a file that may be cut off or made by somebody else: nothing is taken past
 * its end, no size is believed before it is compared with the file's.
 */
#ifndef ENGINE_AR_H
#define ENGINE_AR_H

#include <sys/types.h>

#include "base/error.h"

#define AR_NAME_MAX 17

struct ar_member {
	char name[AR_NAME_MAX]; /* without the blanks and the slash behind it */
	uint64_t offset, size;	/* of its bytes in the file */
};

struct ar {
	int fd; /* the caller's; its offset is neither used nor moved */
	uint64_t at, end;
};

/* -EBADMSG: no ar archive; others as fstat and pread give them. */
int ar_open(int fd, struct ar *ret);

/* The next member: 1, or 0 behind the last. -EBADMSG: cut off or damaged. */
int ar_next(struct ar *ar, struct ar_member *ret);

/*
 * Where the files of a Debian package are: the member data.tar, plain or packed by gzip, xz or
 * zstd. `what` names the package in messages. -EBADMSG: no whole package; -EPROTONOSUPPORT: packed
 * otherwise.
 */
int deb_find_data(int fd, const char *what, struct ar_member *ret, struct error *err);

#endif
