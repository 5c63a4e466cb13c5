#include "base/error.h"

#include <stdarg.h>

/* One line whatever the input: control characters of a file name or a child's output stay out. */
static void flatten(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
	}
}

int(error_set)(struct error *err, int code, const char *fmt, ...)
{
	char message[sizeof(err->message)];
	va_list ap;

	code = code < 0 ? -code : code;
	if (code == 0)
		code = EIO;
	if (err) {
		/* Aside first: what err says already may be among the arguments. */
		va_start(ap, fmt);
		(void)vsnprintf(message, sizeof(message), fmt, ap);
		va_end(ap);
		flatten(message);
		err->code = code;
		memcpy(err->message, message, strlen(message) + 1);
	}
	return -code;
}

int(error_errno)(struct error *err, int code, const char *fmt, ...)
{
	char what[sizeof(err->message) - 64];
	va_list ap;

	code = code < 0 ? -code : code;
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return error_set(err, code, "%s: %s", what, strerror(code));
}

int(error_context)(struct error *err, const char *fmt, ...)
{
	char rest[sizeof(err->message)];
	char context[512];
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(rest, err->message, sizeof(rest));
	(void)snprintf(err->message, sizeof(err->message), "%.*s: %.*s", 500, context,
		       (int)(sizeof(err->message) - 503), rest);
	flatten(err->message);
	return -(err->code ? err->code : EIO);
}

void error_clear(struct error *err)
{
	if (err) {
		err->code = 0;
		err->message[0] = '\0';
	}
}
