/*
 * A growing byte string, always NUL-terminated once anything was added.
 *
 * Adding cannot fail half-way: when memory runs out the buffer is marked and every later add is
 * refused; check once with strbuf_failed() or through strbuf_steal() (NULL). `data` may be read
 * directly; it belongs to the buffer until stolen.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stdarg.h>

#include "base/macros.h"

struct strbuf {
	char *data; /* NULL while empty */
	size_t len; /* without the NUL */
	size_t cap;
	bool failed;
};

#define STRBUF_INIT ((struct strbuf){ 0 })

void strbuf_release(struct strbuf *sb);
void strbuf_reset(struct strbuf *sb); /* empty, memory kept */
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_puts(struct strbuf *sb, const char *s);
void strbuf_putc(struct strbuf *sb, char c);
void strbuf_printf(struct strbuf *sb, const char *fmt, ...) _printf_(2, 3);
void strbuf_vprintf(struct strbuf *sb, const char *fmt, va_list ap) _printf_(2, 0);

/* Keep the first `len` bytes. */
void strbuf_cut(struct strbuf *sb, size_t len);

/* Drop the first `len` bytes. */
void strbuf_consume(struct strbuf *sb, size_t len);

/* The text so far, "" when empty; never NULL. */
const char *strbuf_str(const struct strbuf *sb);
bool strbuf_failed(const struct strbuf *sb);

/* Hand the string over (free() it); NULL when memory ran out. The buffer is empty afterwards. */
char *strbuf_steal(struct strbuf *sb);

/* malloc'd printf; NULL without memory. */
char *xasprintf(const char *fmt, ...) _printf_(1, 2);

#endif
