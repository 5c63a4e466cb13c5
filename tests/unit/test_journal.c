#include "host_fixture.h"

#include "base/digest.h"
#include "node/journal.h"

static struct journal journal;

static int setup(void **state)
{
	int r = test_setup(state);

	journal = JOURNAL_INIT;
	must(journal_read(&host, &journal, &must_err));
	return r;
}

static int teardown(void **state)
{
	journal_close(&journal);
	return test_teardown(state);
}

/* As the next run of the program finds it. */
static void reopen(void)
{
	journal_close(&journal);
	must(journal_read(&host, &journal, &must_err));
}

static uint64_t begin(const char *target, uint64_t resumed)
{
	_cleanup_json_ json_t *before = json_pack("{s:b}", "exists", 0);
	struct change change = { .kind = &change_file, .want = json_pack("{s:s}", "sha256", "x") };
	uint64_t number = 0;

	change.step = strdup("kernel");
	change.target = strdup(target);
	must(journal_begin(&journal, &change, before, resumed, &number, &must_err));
	change_release(&change);
	return number;
}

static void done(uint64_t number)
{
	_cleanup_json_ json_t *after = json_pack("{s:s}", "sha256", "x");

	must(journal_done(&journal, number, after, &must_err));
}

static void reading_leaves_no_trace(void **state)
{
	assert_int_equal(journal.len, 0);
	assert_int_equal(journal.end, 0);
	assert_null(journal.version);
	assert_false(is_there("/var"));
}

static void written_and_read_back(void **state)
{
	uint64_t first, second;

	must(journal_mark(&journal, "run", "install", &must_err));
	first = begin("/etc/a", 0);
	done(first);
	second = begin("/etc/b \"\n\xc3\xa9", 0);
	assert_true(second > first);
	reopen();
	assert_int_equal(journal.len, 2);
	assert_string_equal(journal.version, BERTH_VERSION);
	assert_false(journal.dropped_tail);
	assert_int_equal(journal.end, (off_t)strlen(text_of(JOURNAL_FILE)));
	assert_string_equal(journal.entries[0].step, "kernel");
	assert_string_equal(journal.entries[0].kind, "file");
	assert_string_equal(journal.entries[0].target, "/etc/a");
	assert_string_equal(json_get_string(journal.entries[0].want, "sha256"), "x");
	assert_non_null(journal.entries[0].after);
	assert_int_equal(journal.entries[1].number, second);
	assert_string_equal(journal.entries[1].target, "/etc/b \"\n\xc3\xa9");
	assert_null(journal.entries[1].after);
	assert_true(journal_in_force(&journal.entries[1]));
	assert_int_equal(mode_of(JOURNAL_FILE), 0600);
	assert_int_equal(mode_of(JOURNAL_DIR), 0700);
}

/* What is in memory after writing is what a reader finds. */
static void the_same_in_memory(void **state)
{
	uint64_t n = begin("/etc/a", 0);

	assert_int_equal(journal.len, 1);
	assert_non_null(journal_unfinished(&journal, "file", "/etc/a"));
	done(n);
	assert_null(journal_unfinished(&journal, "file", "/etc/a"));
	assert_non_null(journal.entries[0].after);
	must(journal_undone(&journal, n, "left", "because", &must_err));
	assert_true(journal_in_force(&journal.entries[0])); /* it is tried again */
	assert_string_equal(journal.entries[0].why, "because");
	reopen();
	assert_string_equal(journal.entries[0].outcome, "left");
	assert_string_equal(journal.entries[0].why, "because");
	assert_true(journal_in_force(&journal.entries[0]));
	must(journal_undone(&journal, n, "undone", NULL, &must_err));
	assert_false(journal_in_force(&journal.entries[0]));
	assert_null(journal.entries[0].why);
	reopen();
	assert_string_equal(journal.entries[0].outcome, "undone");
}

static void resumed(void **state)
{
	uint64_t first = begin("/etc/a", 0), second;
	const struct journal_entry *e;

	reopen();
	e = journal_unfinished(&journal, "file", "/etc/a");
	assert_non_null(e);
	assert_int_equal(e->number, first);
	assert_null(journal_unfinished(&journal, "json", "/etc/a"));
	assert_null(journal_unfinished(&journal, "file", "/etc/b"));
	second = begin("/etc/a", first);
	assert_int_equal(journal_unfinished(&journal, "file", "/etc/a")->number, second);
	done(second);
	reopen();
	assert_int_equal(journal.len, 2);
	assert_true(journal.entries[0].superseded);
	assert_false(journal_in_force(&journal.entries[0]));
	assert_true(journal_in_force(&journal.entries[1]));
	assert_null(journal_unfinished(&journal, "file", "/etc/a"));
}

/* Made once more because it did not last: one entry, at its place, with the first `before`. */
static void made_again(void **state)
{
	_cleanup_json_ json_t *found = json_pack("{s:s}", "sha256", "somebody's");
	struct change change = { .kind = &change_file, .want = json_pack("{s:s}", "sha256", "y") };
	uint64_t first = begin("/etc/a", 0), second;

	done(first);
	second = begin("/etc/b", 0);
	done(second);
	assert_null(journal_finished(&journal, "file", "/etc/c"));
	assert_int_equal(journal_finished(&journal, "file", "/etc/a")->number, first);
	must(journal_mark(&journal, "verified", "x", &must_err));
	must(journal_again(&journal, first, change.want, found, &must_err));
	reopen();
	assert_false(journal.verified);
	assert_true(journal.ever_verified);
	assert_int_equal(journal.len, 2);
	assert_int_equal(journal.entries[0].number, first);
	assert_string_equal(json_get_string(journal.entries[0].want, "sha256"), "y");
	assert_false(json_get_bool(journal.entries[0].before, "exists", true));
	assert_null(journal.entries[0].after); /* begun: a cut here is a change that was cut off */
	assert_int_equal(journal_unfinished(&journal, "file", "/etc/a")->number, first);
	done(first);
	reopen();
	assert_null(journal_unfinished(&journal, "file", "/etc/a"));
	assert_int_equal(journal_finished(&journal, "file", "/etc/a")->number, first);
	must(journal_undone(&journal, first, "left", "somebody changed it", &must_err));
	assert_null(journal_finished(&journal, "file", "/etc/a"));
	json_decref(change.want);
}

static void verified_until_something_is_begun(void **state)
{
	uint64_t n = begin("/etc/a", 0);

	done(n);
	assert_false(journal.verified);
	must(journal_mark(&journal, "verified", BERTH_VERSION, &must_err));
	reopen();
	assert_true(journal.verified);
	must(journal_mark(&journal, "run", "install", &must_err));
	reopen();
	assert_true(journal.verified);
	must(journal_undone(&journal, n, "undone", NULL, &must_err));
	reopen();
	assert_false(journal.verified);
	assert_null(journal.entries[0].why);
}

static int parse(const char *text, size_t len, struct journal *ret, struct error *err)
{
	return journal_parse(text, len, ret, err);
}

/* Power went while the last record was written: all before it counts, and writing goes on. */
static void cut_at_every_byte_of_the_last_record(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t whole, len;

	done(begin("/etc/a", 0));
	begin("/etc/b", 0);
	whole = (size_t)journal.end;
	text = strdup(text_of(JOURNAL_FILE));
	len = strlen(text) - strlen(strrchr(text, '\n'));
	len = (size_t)((char *)memrchr(text, '\n', len) - text) + 1;
	for (size_t cut = len; cut < whole; cut++) {
		_cleanup_(journal_close) struct journal found = JOURNAL_INIT;

		must(parse(text, cut, &found, &must_err));
		assert_int_equal(found.dropped_tail, cut > len);
		assert_int_equal(found.end, len);
		assert_int_equal(found.len, 1);
		assert_non_null(found.entries[0].after);
	}
}

static void written_on_behind_a_cut(void **state)
{
	size_t whole;

	done(begin("/etc/a", 0));
	whole = strlen(text_of(JOURNAL_FILE));
	begin("/etc/b", 0);
	journal_close(&journal);
	assert_int_equal(truncate(real(JOURNAL_FILE), (off_t)whole + 30), 0);
	reopen();
	assert_true(journal.dropped_tail);
	assert_int_equal(strlen(text_of(JOURNAL_FILE)), whole + 30); /* reading changes nothing */
	done(begin("/etc/c", 0));
	reopen();
	assert_false(journal.dropped_tail);
	assert_int_equal(journal.len, 2);
	assert_string_equal(journal.entries[1].target, "/etc/c");
	assert_int_equal(journal.entries[1].number, 3);
}

/* However long the cut-off record was, nothing of it is left behind a shorter one. */
static void a_long_cut_leaves_nothing(void **state)
{
	size_t whole;

	done(begin("/etc/a", 0));
	begin("/etc/a-very-long-name-that-makes-its-record-longer-than-the-next", 0);
	journal_close(&journal);
	whole = strlen(text_of(JOURNAL_FILE));
	assert_int_equal(truncate(real(JOURNAL_FILE), (off_t)whole - 1), 0);
	reopen();
	must(journal_mark(&journal, "verified", "x", &must_err));
	assert_int_equal(journal.end, (off_t)strlen(text_of(JOURNAL_FILE)));
	reopen();
	assert_false(journal.dropped_tail);
	assert_true(journal.verified);
}

static void cut_in_the_very_first_record(void **state)
{
	begin("/etc/a", 0);
	journal_close(&journal);
	assert_int_equal(truncate(real(JOURNAL_FILE), 10), 0);
	reopen();
	assert_true(journal.dropped_tail);
	assert_int_equal(journal.end, 0);
	begin("/etc/b", 0);
	reopen();
	assert_int_equal(journal.len, 1);
	assert_string_equal(journal.entries[0].target, "/etc/b");
}

/* A flipped bit anywhere but in the last record is damage, and never a crash or another history. */
static void flipped_bytes(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t len, last;

	done(begin("/etc/a", 0));
	must(journal_mark(&journal, "verified", "x", &must_err));
	text = strdup(text_of(JOURNAL_FILE));
	len = strlen(text);
	last = (size_t)((char *)memrchr(text, '\n', len - 1) - text) + 1;
	for (size_t i = 0; i < len; i++) {
		_cleanup_(journal_close) struct journal found = JOURNAL_INIT;
		struct error err = ERROR_INIT;
		int r;

		text[i] ^= 4;
		r = parse(text, len, &found, &err);
		text[i] ^= 4;
		/* The newline between the last two: one line, cut off or damaged. */
		if (i + 1 == last) {
			assert_true(r == 0 && found.dropped_tail);
			continue;
		}
		assert_int_equal(r, i < last ? -EBADMSG : 0);
		if (r < 0) {
			assert_says(err.message, "is damaged at line");
			continue;
		}
		assert_true(found.dropped_tail);
		assert_int_equal(found.end, last);
		assert_false(found.verified);
	}
}

static void damage_names_its_line(void **state)
{
	struct error err = ERROR_INIT;
	char *text;

	done(begin("/etc/a", 0));
	journal_close(&journal);
	text = strdup(text_of(JOURNAL_FILE));
	*(strchr(text, '\n') + 20) ^= 1;
	put(JOURNAL_FILE, text);
	free(text);
	assert_int_equal(journal_read(&host, &journal, &err), -EBADMSG);
	assert_says(err.message, "'" JOURNAL_FILE "' is damaged at line 2");
	assert_says(err.message, "restore it from a backup, or move it away");
	assert_null(journal.entries);
}

/* A record with its right sum in front. */
static char *sealed(const char *records)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	_cleanup_(strv_release) struct strv lines = STRV_INIT;

	assert_int_equal(strv_split(&lines, records, "\n"), 0);
	strv_foreach (&lines, i, line) {
		char sum[DIGEST_HEX_MAX];

		digest_hex(line, strlen(line), sum);
		strbuf_printf(&text, "%.16s %s\n", sum, line);
	}
	return strbuf_steal(&text);
}

#define HEAD "{\"n\":0,\"journal\":1,\"berth\":\"0.1.0\"}\n"
#define BEGIN \
	"{\"n\":1,\"type\":\"begin\",\"step\":\"s\",\"kind\":\"file\",\"target\":\"t\",\"want\":{},\"before\":{}}\n"

static void of_a_newer_berth(void **state)
{
	_cleanup_free_ char *text = sealed("{\"n\":0,\"journal\":2,\"berth\":\"9.9.9\"}\n" BEGIN);
	_cleanup_free_ char *nameless = sealed("{\"n\":0,\"journal\":7}\n");
	_cleanup_(journal_close) struct journal found = JOURNAL_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(parse(text, strlen(text), &found, &err), -EPROTONOSUPPORT);
	assert_says(err.message, "newer berth (9.9.9, format 2; this is " BERTH_VERSION);
	assert_int_equal(parse(nameless, strlen(nameless), &found, &err), -EPROTONOSUPPORT);
}

static void records_that_make_no_sense(void **state)
{
	static const char *const TEXTS[] = {
		BEGIN,				   /* no head */
		"{\"n\":0,\"journal\":1}\n" BEGIN, /* of which berth? */
		HEAD "{\"n\":1}\n",
		HEAD
		"{\"n\":1,\"type\":\"begin\",\"step\":\"s\",\"kind\":\"k\",\"target\":\"t\",\"want\":{}}\n",
		HEAD
		"{\"n\":1,\"type\":\"begin\",\"step\":\"s\",\"kind\":5,\"target\":\"t\",\"want\":{},"
		"\"before\":{}}\n",
		HEAD "{\"n\":1,\"type\":\"done\",\"of\":7,\"after\":{}}\n",
		HEAD BEGIN "{\"n\":2,\"type\":\"done\",\"of\":1}\n",
		HEAD BEGIN "{\"n\":2,\"type\":\"undone\",\"of\":1}\n",
		HEAD BEGIN "{\"n\":2,\"type\":\"undone\",\"of\":2,\"outcome\":\"undone\"}\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_(journal_close) struct journal found = JOURNAL_INIT;
		_cleanup_free_ char *text = sealed(TEXTS[i]);
		struct error err = ERROR_INIT;

		if (parse(text, strlen(text), &found, &err) != -EBADMSG)
			fail_msg("'%s' is taken: %s", TEXTS[i], err.message);
		assert_says(err.message, "is damaged at line");
	}
}

static void marks_of_later_versions_are_skipped(void **state)
{
	_cleanup_free_ char *text = sealed(HEAD BEGIN "{\"n\":2,\"type\":\"of-tomorrow\"}\n");
	_cleanup_(journal_close) struct journal found = JOURNAL_INIT;

	must(parse(text, strlen(text), &found, &must_err));
	assert_int_equal(found.len, 1);
	assert_int_equal(found.next, 3);
}

static void a_journal_that_cannot_be_read(void **state)
{
	struct error err = ERROR_INIT;

	must(host_mkdirs(&host, JOURNAL_FILE, 0755, NULL, &must_err));
	assert_int_equal(journal_read(&host, &journal, &err), -EISDIR);
	assert_says(err.message, "read the journal '" JOURNAL_FILE "'");
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	struct error err = ERROR_INIT;

	must(host_mkdirs(&host, JOURNAL_DIR, 0700, NULL, &must_err));
	assert_int_equal(symlink("/elsewhere", real(JOURNAL_FILE)), 0);
	assert_int_equal(journal_mark(&journal, "run", "x", &err), -ELOOP);
	assert_says(err.message, "open the journal");
	assert_false(is_there("/elsewhere"));
}

#define journal_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		journal_test(reading_leaves_no_trace),
		journal_test(written_and_read_back),
		journal_test(the_same_in_memory),
		journal_test(resumed),
		journal_test(made_again),
		journal_test(verified_until_something_is_begun),
		journal_test(cut_at_every_byte_of_the_last_record),
		journal_test(written_on_behind_a_cut),
		journal_test(a_long_cut_leaves_nothing),
		journal_test(cut_in_the_very_first_record),
		journal_test(flipped_bytes),
		journal_test(damage_names_its_line),
		journal_test(of_a_newer_berth),
		journal_test(records_that_make_no_sense),
		journal_test(marks_of_later_versions_are_skipped),
		journal_test(a_journal_that_cannot_be_read),
		journal_test(a_link_in_its_place_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
