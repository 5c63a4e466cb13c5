#include "step/report.h"

void report_release(struct report *report)
{
	for (size_t i = 0; i < report->len; i++) {
		free(report->items[i].text);
		free(report->items[i].remedy);
	}
	free(report->items);
	*report = REPORT_INIT;
}

void report_add(struct report *report, const char *id, enum verdict verdict, const char *remedy,
		const char *fmt, ...)
{
	struct check *items = reallocarray(report->items, report->len + 1, sizeof(*items));
	struct strbuf text = STRBUF_INIT;
	struct check check = { .id = id, .verdict = verdict };
	va_list ap;

	va_start(ap, fmt);
	strbuf_vprintf(&text, fmt, ap);
	va_end(ap);
	check.text = strbuf_steal(&text);
	check.remedy = remedy ? strdup(remedy) : NULL;
	if (!items || !check.text || (remedy && !check.remedy))
		abort();
	report->items = items;
	items[report->len++] = check;
}

size_t report_count(const struct report *report, enum verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < report->len; i++)
		n += report->items[i].verdict == verdict;
	return n;
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const NAMES[] = { "pass", "warn", "skip", "fail" };

	return NAMES[verdict];
}

json_t *report_json(const struct report *report)
{
	json_t *array = json_array();

	for (size_t i = 0; i < report->len; i++) {
		const struct check *c = &report->items[i];

		(void)json_array_append_new(array,
					    json_pack("{s:s, s:s, s:s, s:s?}", "id", c->id, "verdict",
						      verdict_name(c->verdict), "text", c->text,
						      "remedy", c->remedy));
	}
	return array;
}
