/*
 * A text a line at a time, in bounded memory: for files that are long and of which little is wanted.
 */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include <stddef.h>

#define LINES_MAX ((size_t)16384)

/*
 * One line without its newline, NUL-terminated behind `len` bytes (it may have NULs of its own); of a
 * line longer than LINES_MAX the first LINES_MAX bytes. Negative ends the reading with that result,
 * positive with success.
 */
typedef int (*lines_fn)(void *userdata, const char *line, size_t len);

/* Up to the end of the file, also a last line without a newline. 0, what `each` returned, or -errno. */
int lines_read_fd(int fd, lines_fn each, void *userdata);

#endif
