/*
 * A NULL-terminated vector of owned strings: argument vectors, lists of names.
 *
 * `v.items` can be passed to execve() as it is. Adding returns -ENOMEM or 0.
 */
#ifndef BASE_STRV_H
#define BASE_STRV_H

#include "base/macros.h"

struct strv {
	char **items; /* NULL while empty */
	size_t len;
};

#define STRV_INIT ((struct strv){ 0 })
#define strv_foreach(v, i, s)                                                                      \
	for (size_t i = 0; i < (v)->len; i++)                                                      \
		for (const char *s = (v)->items[i]; s; s = NULL)

void strv_release(struct strv *v);
int strv_add(struct strv *v, const char *s);		/* copies */
int strv_addf(struct strv *v, const char *fmt, ...) _printf_(2, 3);
int strv_add_new(struct strv *v, const char *s);	/* copies unless already there */
bool strv_contains(const struct strv *v, const char *s);
void strv_sort(struct strv *v);

/* Split at any of the characters in `sep`; empty pieces are dropped. */
int strv_split(struct strv *v, const char *s, const char *sep);

/* "a, b, c"; free() it; NULL without memory. */
char *strv_join(const struct strv *v, const char *sep);

#endif
