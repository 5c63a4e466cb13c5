#include "runc/say.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

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

/* RFC 3339, by the calendar alone: the C library's way brings time zones with it. */
static void time_stamp(char ret[static 32])
{
	time_t now = time(NULL);
	long days = now / 86400, rest = now % 86400;
	/* Howard Hinnant's civil_from_days, for days after 1970. */
	long z = days + 719468, era = z / 146097, doe = z % 146097;
	long yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	long doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	long day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;
	long year = yoe + era * 400 + (month <= 2);

	(void)snprintf(ret, 32, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000,
		       (unsigned)month % 100, (unsigned)day % 100, (unsigned)(rest / 3600) % 100,
		       (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
}

static void log_line(const struct command_line *line, const char *level, const char *message)
{
	int fd = line->log ? open(line->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644) :
			     -EBADF;
	bool text = line->log_format && strcmp(line->log_format, "text") == 0;
	char escaped[4096], stamp[32], out[4400];
	int n;

	if (fd < 0)
		return;
	(void)escape(escaped, sizeof(escaped), message);
	time_stamp(stamp);
	n = snprintf(out, sizeof(out),
		     text ? "time=\"%s\" level=%s msg=\"" PROGRAM "%s\"\n" :
			    "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"" PROGRAM "%s\"}\n",
		     stamp, level, escaped);
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
