#include "runc/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/timestamp.h"

#define PROGRAM "berth-runc: "

/* JSON's escapes, which runc's quoted text shares. Names of files may have any byte. */
static size_t escape(char *buf, size_t size, const char *s)
{
	static const char HEX[] = "0123456789abcdef";
	size_t len = 0;

	for (; *s && len + 7 < size; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			buf[len++] = '\\';
			buf[len++] = (char)c;
		} else if (c < 0x20 || c >= 0x7f) {
			memcpy(buf + len, "\\u00", 4);
			buf[len + 4] = HEX[c >> 4];
			buf[len + 5] = HEX[c & 15];
			len += 6;
		} else {
			buf[len++] = (char)c;
		}
	}
	buf[len] = '\0';
	return len;
}

static void log_line(const struct command_line *line, const char *level, const char *message)
{
	int fd = line->log ? open(line->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644) :
			     -EBADF;
	bool text = line->log_format && strcmp(line->log_format, "text") == 0;
	char escaped[4096], stamp[TIMESTAMP_MAX], out[4400];
	int n;

	if (fd < 0)
		return;
	(void)escape(escaped, sizeof(escaped), message);
	n = snprintf(out, sizeof(out),
		     text ? "time=\"%s\" level=%s msg=\"" PROGRAM "%s\"\n" :
			    "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"" PROGRAM "%s\"}\n",
		     timestamp_format(time(NULL), stamp), level, escaped);
	/* Nothing is left to be told where this fails. */
	if (n > 0 && write(fd, out, (size_t)n) < 0)
		errno = 0;
	(void)close(fd);
}

void say_error(const struct command_line *line, const char *message)
{
	char out[1200];
	int n = snprintf(out, sizeof(out), PROGRAM "%s\n", message);

	if (n > 0 && write(STDERR_FILENO, out, MIN_OF((size_t)n, sizeof(out) - 1)) < 0)
		errno = 0;
	log_line(line, "error", message);
}

void say_warning(const struct command_line *line, const char *message)
{
	log_line(line, "warning", message);
}
