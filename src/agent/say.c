#include "agent/say.h"

#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

static const char *const LEVELS[] = { "info", "warn", "error" };
static bool as_json;

void say_format(bool json)
{
	as_json = json;
}

/* logfmt has quotes around what is not one plain word. */
static void add_value(struct strbuf *sb, const char *value)
{
	bool plain = *value;

	for (const char *p = value; *p; p++)
		plain = plain && *p > ' ' && *p < 0x7f && *p != '"' && *p != '=' && *p != '\\';
	if (plain) {
		strbuf_puts(sb, value);
		return;
	}
	strbuf_puts(sb, "\"");
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_printf(sb, "\\%c", *p);
		else if (*p == '\n')
			strbuf_puts(sb, "\\n");
		else if ((unsigned char)*p >= ' ')
			strbuf_add(sb, p, 1);
	}
	strbuf_puts(sb, "\"");
}

static char *logfmt_line(const char *ts, enum say_level level, const char *message,
			 const char *const *pairs)
{
	_cleanup_(strbuf_release) struct strbuf sb = STRBUF_INIT;

	strbuf_printf(&sb, "ts=%s level=%s msg=", ts, LEVELS[level]);
	add_value(&sb, message);
	for (; *pairs; pairs += 2) {
		if (!pairs[1] || !*pairs[1])
			continue;
		strbuf_printf(&sb, " %s=", pairs[0]);
		add_value(&sb, pairs[1]);
	}
	strbuf_puts(&sb, "\n");
	return strbuf_steal(&sb);
}

static char *json_text(const char *ts, enum say_level level, const char *message,
		       const char *const *pairs)
{
	_cleanup_json_ json_t *line = json_pack("{s:s, s:s, s:s}", "ts", ts, "level", LEVELS[level],
						"msg", message);
	_cleanup_free_ char *text = NULL;

	for (; line && *pairs; pairs += 2) {
		if (pairs[1] && *pairs[1])
			(void)json_object_set_new(line, pairs[0], json_string(pairs[1]));
	}
	text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	return text ? xasprintf("%s\n", text) : NULL;
}

char *say_line(bool json, const char *ts, enum say_level level, const char *message,
	       const char *const *pairs)
{
	return (json ? json_text : logfmt_line)(ts, level, message, pairs);
}

void say_words(enum say_level level, const char *const *words)
{
	_cleanup_free_ char *line = NULL;
	char ts[TIMESTAMP_MAX];

	timestamp_format(time(NULL), ts);
	line = say_line(as_json, ts, level, words[0], words + 1);
	if (line)
		(void)file_write_all(STDOUT_FILENO, line, strlen(line));
}
