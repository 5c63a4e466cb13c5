#include "base/strv.h"

#include <stdarg.h>

#include "base/strbuf.h"

void strv_release(struct strv *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->items[i]);
	free(v->items);
	*v = STRV_INIT;
}

/* Takes s, also when it fails. */
static int append(struct strv *v, char *s)
{
	char **items;

	if (!s)
		return -ENOMEM;
	items = reallocarray(v->items, v->len + 2, sizeof(*items));
	if (!items) {
		free(s);
		return -ENOMEM;
	}
	v->items = items;
	v->items[v->len++] = s;
	v->items[v->len] = NULL;
	return 0;
}

int strv_add(struct strv *v, const char *s)
{
	return append(v, strdup(s));
}

int strv_addf(struct strv *v, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(&sb, fmt, ap);
	va_end(ap);
	return append(v, strbuf_steal(&sb));
}

bool strv_contains(const struct strv *v, const char *s)
{
	for (size_t i = 0; i < v->len; i++) {
		if (strcmp(v->items[i], s) == 0)
			return true;
	}
	return false;
}

int strv_add_new(struct strv *v, const char *s)
{
	return strv_contains(v, s) ? 0 : strv_add(v, s);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *v)
{
	if (v->len > 1)
		qsort(v->items, v->len, sizeof(*v->items), compare);
}

int strv_split(struct strv *v, const char *s, const char *sep)
{
	while (*s) {
		size_t n = strcspn(s, sep);

		if (n) {
			int r = append(v, strndup(s, n));

			if (r < 0)
				return r;
		}
		s += n;
		s += strspn(s, sep);
	}
	return 0;
}

char *strv_join(const struct strv *v, const char *sep)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < v->len; i++) {
		if (i)
			strbuf_puts(&sb, sep);
		strbuf_puts(&sb, v->items[i]);
	}
	return strbuf_steal(&sb);
}
