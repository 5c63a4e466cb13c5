/*
 * An error is a value: a negative errno and a sentence that says what was being done to what.
 *
 * The caller owns `struct error` (on its stack, ERROR_INIT) and passes it down as last input.
 * The function that fails fills it; those above may put context in front. Only the outermost
 * layer prints it. Functions return 0 or a positive result, or a negative errno equal to
 * -err->code, so that `return error_set(err, ENOSPC, "...")` reads well.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/macros.h"

struct error {
	int code;	   /* positive errno, 0: no error */
	char message[1024]; /* one line, no trailing full stop, no newline */
};

#define ERROR_INIT ((struct error){ 0 })

/* Fill err (may be NULL) and return -code. A code of 0 is read as EIO. */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* The same with ": strerror(code)" behind it. */
int error_errno(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Put "context: " in front of what err already says; returns -err->code. */
int error_context(struct error *err, const char *fmt, ...) _printf_(2, 3);

/*
 * What these return is negative: said here so that compilers and analysers, which see one file at a
 * time, know that a function that returns one of them did not succeed.
 */
static inline int error_negative(int r)
{
	if (r >= 0)
		__builtin_unreachable();
	return r;
}
#define error_set(...)	   error_negative(error_set(__VA_ARGS__))
#define error_errno(...)   error_negative(error_errno(__VA_ARGS__))
#define error_context(...) error_negative(error_context(__VA_ARGS__))

/* Forget it. */
void error_clear(struct error *err);

#endif
