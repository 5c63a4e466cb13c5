/*
 * Input: 's' and records without their sums, which are put in front of each; or anything, taken as
 * it is. A history that agrees with its own beginning, or a clean error.
 */
#include "base/digest.h"
#include "base/strbuf.h"
#include "node/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void seal(const char *text, size_t len, struct strbuf *out)
{
	for (size_t at = 0; at < len;) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at : len - at;
		char sum[DIGEST_HEX_MAX];

		digest_hex(text + at, n, sum);
		strbuf_printf(out, "%.16s ", sum);
		strbuf_add(out, text + at, n);
		if (newline)
			strbuf_putc(out, '\n');
		at += n + 1;
	}
}

static void check_entries(const struct journal *journal)
{
	for (size_t i = 0; i < journal->len; i++) {
		const struct journal_entry *e = &journal->entries[i];
		const struct journal_entry *found;

		must(e->step && e->kind && e->target && e->want && e->before);
		must(!e->superseded || !journal_in_force(e));
		must(!e->why || e->outcome);
		found = journal_unfinished(journal, e->kind, e->target);
		must(!found || (journal_in_force(found) && !found->after));
		must(found || e->after || !journal_in_force(e));
	}
}

/* The whole records alone give the same history. */
static void check_again(const struct strbuf *text, const struct journal *journal)
{
	_cleanup_(journal_close) struct journal again = JOURNAL_INIT;

	must((size_t)journal->end <= text->len);
	must(journal->dropped_tail == ((size_t)journal->end < text->len));
	must(journal_parse(strbuf_str(text), (size_t)journal->end, &again, NULL) == 0);
	must(!again.dropped_tail && again.end == journal->end && again.len == journal->len);
	must(again.next == journal->next && again.verified == journal->verified);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(journal_close) struct journal journal = JOURNAL_INIT;
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int r;

	if (size && data[0] == 's')
		seal((const char *)data + 1, size - 1, &text);
	else
		strbuf_add(&text, data, size);
	r = journal_parse(strbuf_str(&text), text.len, &journal, &err);
	if (r < 0) {
		must(r == -EBADMSG || r == -EPROTONOSUPPORT);
		must(r == -err.code && err.message[0] && !journal.entries);
		return 0;
	}
	check_entries(&journal);
	check_again(&text, &journal);
	return 0;
}
