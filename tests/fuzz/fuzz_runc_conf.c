/*
 * Input: the text of runc.conf, and, taken as a string, a record, a size as Docker has it and a label.
 * Whatever is understood is written so that it is understood again, the same.
 */
#include "base/strbuf.h"
#include "sandbox/docker_files.h"
#include "sandbox/limit.h"
#include "sandbox/record.h"
#include "sandbox/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void settings(const char *text, size_t size)
{
	struct settings s, again;
	struct error err = ERROR_INIT;
	_cleanup_free_ char *written = NULL, *twice = NULL;
	int r = settings_parse(text, size, "runc.conf", &s, &err);

	must(r == -err.code);
	if (r < 0) {
		must(r == -EINVAL && strstr(err.message, "runc.conf"));
		return;
	}
	must(s.runtime[0] == '/' && s.pool[0] == '/');
	must(s.engine[0] == '/' || !s.engine[0]);
	must(s.kubelet[0] == '/' || !s.kubelet[0]);
	must(s.projects.first && s.projects.first <= s.projects.last);
	written = settings_text(&s);
	must(written && settings_parse(written, strlen(written), "again", &again, &err) == 0);
	twice = settings_text(&again);
	must(twice && strcmp(written, twice) == 0);
}

static void record(const char *text)
{
	char written[RECORD_TEXT_MAX];
	struct record r, again;

	if (record_parse(text, &r) < 0)
		return;
	must(r.project != 0);
	record_format(&r, written);
	must(record_parse(written, &again) == 0 && again.project == r.project && again.set == r.set &&
	     again.budget == r.budget && again.boot == r.boot && again.running == r.running);
}

static void wishes(const char *text)
{
	const struct limit_sources by_label = { .label = text }, by_engine = { .engine = text };
	struct settings s = settings_default();
	struct error err = ERROR_INIT;
	struct limit limit;
	uint64_t bytes;

	if (limit_decide(&s, &by_label, &limit, &err) == 0)
		must(limit.bytes >= LIMIT_MIN && strcmp(limit.source, "label") == 0);
	else
		must(err.code == EINVAL && !strchr(err.message, '\n'));
	error_clear(&err);
	if (limit_decide(&s, &by_engine, &limit, &err) == 0)
		must(docker_size_parse(text, &bytes) == 0 && limit.bytes == (bytes ? bytes : s.budget));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);

	must(text);
	settings((const char *)data, size);
	record(text);
	if (strlen(text) < 40)
		wishes(text);
	return 0;
}
