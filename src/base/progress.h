/*
 * What a long operation tells the one who waits for it: a line of what it is doing, and bytes.
 * Both may be NULL; a NULL `struct progress` is silent. Called from the operation's own thread.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <inttypes.h>
#include <stdarg.h>

#include "base/macros.h"

struct progress {
	void (*activity)(void *userdata, const char *text); /* "waiting for apt's lock, held by 512" */
	void (*bytes)(void *userdata, uint64_t done, uint64_t total); /* total 0: not known */
	void *userdata;
};

static inline void progress_activity(const struct progress *p, const char *text)
{
	if (p && p->activity)
		p->activity(p->userdata, text);
}

_printf_(2, 3) static inline void progress_activityf(const struct progress *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	progress_activity(p, text);
}

static inline void progress_bytes(const struct progress *p, uint64_t done, uint64_t total)
{
	if (p && p->bytes)
		p->bytes(p->userdata, done, total);
}

#endif
