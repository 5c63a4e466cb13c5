#include "base/log.h"

#include <stdarg.h>

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

_printf_(3, 0) static void line(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char text[2048];

	if (level > threshold)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	/* One write a line: lines of two programs on one terminal do not mix. */
	(void)dprintf(STDERR_FILENO, "berth: %s%s\n", prefix, text);
}

#define DEFINE_LOG(function, level, prefix)                                                        \
	void function(const char *fmt, ...)                                                        \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		line(level, prefix, fmt, ap);                                                      \
		va_end(ap);                                                                        \
	}

DEFINE_LOG(log_error, LOG_LEVEL_ERROR, "")
DEFINE_LOG(log_warning, LOG_LEVEL_WARNING, "warning: ")
DEFINE_LOG(log_info, LOG_LEVEL_INFO, "")
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG, "debug: ")
