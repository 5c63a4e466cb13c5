#include "change_fixture.h"

#define TARGET "/etc/docker/daemon.json"

static json_t *wanted(void)
{
	return json_pack("{s:[[[s,s],{s:s}], [[s],s], [[s,s],s]]}", "set", "runtimes",
			 "sysbox-runc", "path", "/usr/bin/sysbox-runc", "default-runtime",
			 "sysbox-runc", "log-opts", "max-size", "10m");
}

static const struct change *plan_members(void)
{
	return plan_one(&change_json, TARGET, wanted());
}

/* A user's file, laid out by hand. */
static const char THEIRS[] = "{\n\t\"debug\" : true,\n\n"
			     "\t\"log-opts\": {\"labels\":\"a\"},\n"
			     "\t\"default-runtime\": \"runc\"}";

static void merged_and_undone(void **state)
{
	const struct change *c;

	put_bytes(TARGET, THEIRS, strlen(THEIRS), 0600);
	c = plan_members();
	assert_says(described(c), "\"sysbox-runc\"");
	make_it_so(c);
	assert_says(text_of(TARGET), "{\n\t\"debug\" : true,\n\n\t\"log-opts\": {\"labels\":\"a\"");
	assert_says(text_of(TARGET), "\"default-runtime\": \"sysbox-runc\"");
	assert_says(text_of(TARGET), "\"max-size\"");
	assert_int_equal(mode_of(TARGET), 0600);
	assert_null(plan_members());
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, THEIRS);
	assert_int_equal(mode_of(TARGET), 0600);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void made_and_taken_away(void **state)
{
	const struct change *c = plan_members();

	make_it_so(c);
	assert_string_equal(text_of(TARGET) + strlen(text_of(TARGET)) - 2, "}\n");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/etc"));
}

static void blank_counts_as_empty(void **state)
{
	const struct change *c;

	put(TARGET, " \n");
	c = plan_members();
	make_it_so(c);
	assert_says(text_of(TARGET), "\"max-size\"");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, " \n");
}

/* Their later edits stay; only ours go, with the objects that were made for them. */
static void edited_since_by_the_user(void **state)
{
	static const char EDITED[] =
		"{\"debug\": false, \"runtimes\": {\"sysbox-runc\": {\"path\": "
		"\"/usr/bin/sysbox-runc\"}}, \"default-runtime\": \"sysbox-runc\", "
		"\"log-opts\": {\"max-size\": \"10m\"}, \"dns\": [\"9.9.9.9\"]}\n";
	const struct change *c = plan_members();

	make_it_so(c);
	put(TARGET, EDITED);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, "{\"debug\": false, \"dns\": [\"9.9.9.9\"]}\n");
}

static void their_members_in_our_objects_stay(void **state)
{
	static const char EDITED[] =
		"{\"runtimes\": {\"sysbox-runc\": {\"path\": \"/usr/bin/sysbox-runc\"}, "
		"\"gvisor\": {\"path\": \"/g\"}}, \"default-runtime\": \"sysbox-runc\", "
		"\"log-opts\": {\"max-size\": \"10m\"}}";
	const struct change *c = plan_members();

	make_it_so(c);
	put(TARGET, EDITED);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, "{\"runtimes\": {\"gvisor\": {\"path\": \"/g\"}}}");
}

static void another_value_since_is_left(void **state)
{
	const struct change *c;

	put(TARGET, THEIRS);
	c = plan_members();
	make_it_so(c);
	put(TARGET, "{\"default-runtime\": \"gvisor\", \"log-opts\": {\"labels\": \"a\", "
		    "\"max-size\": \"50m\"}, \"debug\": true}");
	assert_int_equal(undo_it(c), UNDO_LEFT);
	assert_says(strbuf_str(&why), "'default-runtime' has another value since");
	assert_says(strbuf_str(&why), "'log-opts' has another value since");
	assert_text(TARGET, "{\"default-runtime\": \"gvisor\", \"log-opts\": {\"labels\": \"a\", "
			    "\"max-size\": \"50m\"}, \"debug\": true}");
}

static void their_empty_object_stays(void **state)
{
	const struct change *c;

	put(TARGET, "{\"log-opts\": {}}");
	c = plan_members();
	make_it_so(c);
	put(TARGET, "{\"log-opts\": {\"max-size\": \"10m\"}, \"dns\": []}");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, "{\"log-opts\": {}, \"dns\": []}");
}

/* What they put back themselves is no conflict. */
static void put_back_by_the_user(void **state)
{
	const struct change *c;

	put(TARGET, THEIRS);
	c = plan_members();
	make_it_so(c);
	put(TARGET, "{\"default-runtime\": \"runc\", \"log-opts\": {\"labels\": \"a\"}, "
		    "\"debug\": true}");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, THEIRS);
}

static void the_old_value_returns_into_an_edited_file(void **state)
{
	const struct change *c;

	put(TARGET, THEIRS);
	c = plan_members();
	make_it_so(c);
	put(TARGET, "{\"default-runtime\": \"sysbox-runc\", \"dns\": []}");
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, "{\"default-runtime\": \"runc\", \"dns\": []}");
}

/* Laid out anew by another program (jq), nothing else changed: the very bytes of before. */
static void reformatted_since(void **state)
{
	_cleanup_json_ json_t *value = NULL;
	_cleanup_free_ char *text = NULL;
	const struct change *c;

	put(TARGET, THEIRS);
	c = plan_members();
	make_it_so(c);
	must(json_parse(text_of(TARGET), strlen(text_of(TARGET)), "it", &value, &must_err));
	text = json_dumps(value, JSON_INDENT(4) | JSON_SORT_KEYS);
	put(TARGET, text);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, THEIRS);
}

static void reformatted_where_nothing_was(void **state)
{
	_cleanup_json_ json_t *value = NULL;
	_cleanup_free_ char *text = NULL;
	const struct change *c = plan_members();

	make_it_so(c);
	must(json_parse(text_of(TARGET), strlen(text_of(TARGET)), "it", &value, &must_err));
	text = json_dumps(value, JSON_COMPACT);
	put(TARGET, text);
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_false(is_there("/etc"));
}

static void not_json_any_more(void **state)
{
	static const char *const TEXTS[] = { "{", "[]", "", "{\"a\":1,\"a\":2}" };
	const struct change *c = plan_members();

	make_it_so(c);
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		put(TARGET, TEXTS[i]);
		assert_int_equal(undo_it(c), UNDO_LEFT);
		assert_says(strbuf_str(&why), "is no JSON object any more");
		assert_text(TARGET, TEXTS[i]);
	}
	assert_int_equal(unlink(real(TARGET)), 0);
	assert_int_equal(undo_it(c), UNDO_NOTHING);
}

static void bad_files_are_refused(void **state)
{
	static const char *const TEXTS[] = { "{",     "[]",	  "3", "{\"a\":1,\"a\":2}",
					     "{} {}", "// no\n{}" };

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		struct error err = ERROR_INIT;

		put(TARGET, TEXTS[i]);
		assert_int_equal(
			plan_add(&plan, &ctx, &change_json, TARGET, wanted(), NULL, NULL, &err),
			-EINVAL);
		assert_says(err.message, "'" TARGET "'");
		assert_says(err.message, "berth leaves the file as it is");
		assert_text(TARGET, TEXTS[i]);
	}
}

static void an_object_is_needed_on_the_way(void **state)
{
	struct error err = ERROR_INIT;

	put(TARGET, "{\"log-opts\": \"no object\"}");
	assert_int_equal(plan_add(&plan, &ctx, &change_json, TARGET, wanted(), NULL, NULL, &err),
			 -ENOTDIR);
	assert_says(err.message, "'" TARGET "'");
}

static const struct change *plan_validated(void)
{
	return plan_one(&change_json, TARGET,
			json_pack("{s:[[[s],b]], s:[s,s,s]}", "set", "debug", 1, "validate",
				  "dockerd", "--validate", "--config-file"));
}

static void the_program_is_asked(void **state)
{
	const struct change *c = plan_validated();
	struct error err = ERROR_INIT;

	put_program("dockerd", "grep -q debug \"$3\" && echo 'it is broken' >&2; exit 1");
	/* Before the first change of all, and once more with what is there then. */
	assert_int_equal(c->kind->prepare(&ctx, c, &err), -EINVAL);
	assert_says(err.message, "would not be accepted by dockerd: it is broken");
	must(c->kind->capture(&ctx, c, &before, &must_err));
	assert_int_equal(c->kind->apply(&ctx, c, before, &after, &err), -EINVAL);
	assert_says(err.message, "would not be accepted by dockerd: it is broken");
	assert_false(is_there(TARGET));
	assert_true(was_called("dockerd --validate --config-file /dev/stdin\n"));
}

static void programs_that_have_no_objection(void **state)
{
	const struct change *c = plan_validated();

	make_it_so(c); /* it is not there */
	assert_int_equal(undo_it(c), UNDO_DONE);
	must(host_mkdirs(&host, STATE_DIR, 0700, NULL, &must_err));
	put_program("dockerd", "echo 'unknown flag: --validate' >&2; exit 125");
	make_it_so(c);
	assert_true(was_called("dockerd --validate"));
	assert_int_equal(undo_it(c), UNDO_DONE);
	put_program("dockerd", "exit 0");
	make_it_so(c);
}

static void undo_of_a_cut_off_change(void **state)
{
	const struct change *c;

	put(TARGET, THEIRS);
	c = plan_members();
	make_it_so(c);
	json_decref(TAKE_PTR(after));
	assert_int_equal(undo_it(c), UNDO_DONE);
	assert_text(TARGET, THEIRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		change_test(merged_and_undone),
		change_test(made_and_taken_away),
		change_test(blank_counts_as_empty),
		change_test(edited_since_by_the_user),
		change_test(their_members_in_our_objects_stay),
		change_test(another_value_since_is_left),
		change_test(their_empty_object_stays),
		change_test(put_back_by_the_user),
		change_test(the_old_value_returns_into_an_edited_file),
		change_test(reformatted_since),
		change_test(reformatted_where_nothing_was),
		change_test(not_json_any_more),
		change_test(bad_files_are_refused),
		change_test(an_object_is_needed_on_the_way),
		change_test(the_program_is_asked),
		change_test(programs_that_have_no_objection),
		change_test(undo_of_a_cut_off_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
