#include "host_fixture.h"

#include <time.h>

#include "node/prune_images.h"

/* Answers of Docker 20.10 and 28 with their ids shortened. */
#define A     "sha256:aaaaaaaaaaaaaaaa"
#define B     "sha256:bbbbbbbbbbbbbbbb"
#define C     "sha256:cccccccccccccccc"
#define D     "sha256:dddddddddddddddd"

#define DAY   INT64_C(86400)
#define NOW   INT64_C(1714558272) /* 2024-05-01T10:11:12Z */
#define LIMIT (UINT64_C(7) * 86400 * 1000)
#define OLD   "\"Created\":1500000000,\"Size\":1000"
#define NAMED(id, tag) \
	"{\"Id\":\"" id "\",\"RepoTags\":[\"" tag "\"],\"RepoDigests\":null," OLD ",\"Labels\":null"

static struct prune_images images;

static int end(void **state)
{
	(void)state;
	prune_images_release(&images);
	return 0;
}

static json_t *parse(const char *text)
{
	json_t *value = NULL;

	must(json_parse(text, strlen(text), "the test's text", &value, &must_err));
	return value;
}

static int try_read(const char *list, const char *containers)
{
	_cleanup_json_ json_t *i = parse(list);
	_cleanup_json_ json_t *c = parse(containers);

	prune_images_release(&images);
	return prune_images_read(i, c, &images, &must_err);
}

static void read_them(const char *list, const char *containers)
{
	must(try_read(list, containers));
}

static struct prune_image *image(const char *id)
{
	for (size_t i = 0; i < images.len; i++) {
		if (strcmp(images.items[i].id, id) == 0)
			return &images.items[i];
	}
	fail_msg("there is no image %s", id);
	return NULL;
}

/* Tagged so long ago; negative: Docker knows of no tag. */
static void date(const char *id, int64_t days, const char *notes_text)
{
	_cleanup_json_ json_t *notes = parse(notes_text);
	_cleanup_json_ json_t *inspected = NULL;
	char text[64] = "0001-01-01T00:00:00Z";
	time_t then = (time_t)(NOW - days * DAY);
	struct tm tm;

	if (days >= 0) {
		assert_non_null(gmtime_r(&then, &tm));
		assert_true(strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
	}
	inspected = json_pack("{s:s, s:{s:s}}", "Created", "2017-07-14T02:40:00Z", "Metadata",
			      "LastTagTime", text);
	prune_image_date(image(id), inspected, notes, NOW);
}

static void date_all(int64_t days)
{
	for (size_t i = 0; i < images.len; i++)
		date(images.items[i].id, days, "{}");
}

#define assert_judged(id, expected) \
	assert_string_equal(prune_verdict_name(image(id)->verdict), prune_verdict_name(expected))

static void what_containers_have_stays(void **state)
{
	read_them("[" NAMED(A, "run:1") "}," NAMED(B, "stopped:1") "}," NAMED(C, "free:1") "}]",
		  "[{\"ImageID\":\"" A "\",\"State\":\"running\",\"Mounts\":[]},"
		  "{\"ImageID\":\"" B "\",\"State\":\"exited\"},"
		  "{\"ImageID\":\"" D "\",\"State\":\"created\"}]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_USED);
	assert_judged(B, PRUNE_USED);
	assert_judged(C, PRUNE_GOES);
	assert_string_equal(images.items[0].id, C); /* those that go come first */
	assert_string_equal(images.items[0].name, "free:1");
	assert_int_equal(images.items[0].size, 1000);
	prune_images_decide(&images, NOW, 0);
	assert_judged(A, PRUNE_USED);
}

static void ages(void **state)
{
	static const struct {
		int64_t since, now;
		uint64_t limit_ms;
		bool old;
	} CASES[] = {
		{ NOW - 7 * DAY, NOW, LIMIT, true }, /* exactly at the limit */
		{ NOW - 7 * DAY + 1, NOW, LIMIT, false },
		{ NOW - 7 * DAY - 1, NOW, LIMIT, true },
		{ NOW - 2, NOW, 1001, true },
		{ NOW - 1, NOW, 1001, false },
		{ NOW + 5, NOW, 1000, false }, /* ahead of this clock */
		{ NOW, -5, 1000, false },      /* a clock before 1970 */
		{ -100, -5, 1000, true },
		{ INT64_MIN, NOW, LIMIT, true },
		{ INT64_MAX, -NOW, LIMIT, false },
		{ NOW + 5, NOW, 0, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		if (prune_old_enough(CASES[i].since, CASES[i].now, CASES[i].limit_ms) !=
		    CASES[i].old)
			fail_msg("case %zu", i);
	}
}

static void the_newest_date_counts(void **state)
{
	/* Built years ago elsewhere; tagged here 7 and 6 days ago. */
	read_them("[" NAMED(A, "a:1") "}," NAMED(B, "b:1") "}," NAMED(C, "c:1") "}," NAMED(
			  D, "d:1") "}]",
		  "[]");
	date(A, 7, "{}");
	date(B, 6, "{}");
	date(C, 30, "{\"" C "\":1714500000}"); /* seen unused since yesterday */
	date(D, 30, "{\"" D "\":1800000000}"); /* a note of a clock that was wrong */
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_GOES);
	assert_judged(B, PRUNE_YOUNG);
	assert_judged(C, PRUNE_YOUNG);
	assert_judged(D, PRUNE_GOES);
}

/* Neither a pull nor a load sets LastTagTime. */
static void unknown_dates_wait_for_a_note(void **state)
{
	_cleanup_json_ json_t *notes = NULL;
	_cleanup_json_ json_t *later = NULL;

	read_them("[" NAMED(A, "a:1") "}," NAMED(B, "b:1") "}," NAMED(C, "c:1") "}]",
		  "[{\"ImageID\":\"" C "\"}]");
	date(A, -1, "{}");
	prune_image_date(image(B), NULL, NULL, NOW); /* gone meanwhile */
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_UNKNOWN);
	assert_judged(B, PRUNE_UNKNOWN);
	notes = prune_images_note(&images, NULL, NOW);
	assert_int_equal(json_object_size(notes), 2);
	assert_int_equal(json_get_int(notes, A, 0), NOW);

	for (int64_t days = 6; days <= 7; days++) {
		read_them("[" NAMED(A, "a:1") "}]", "[]");
		prune_image_date(image(A), NULL, notes, NOW + days * DAY);
		prune_images_decide(&images, NOW + days * DAY, LIMIT);
		assert_judged(A, days == 7 ? PRUNE_GOES : PRUNE_YOUNG);
	}
	later = prune_images_note(&images, notes, NOW + 7 * DAY);
	assert_int_equal(json_get_int(later, A, 0), NOW); /* the first time stays */
	assert_int_equal(json_object_size(later), 1);	  /* B is not there any more */
	image(A)->outcome = PRUNE_REMOVED;
	json_decref(TAKE_PTR(later));
	later = prune_images_note(&images, notes, NOW);
	assert_int_equal(json_object_size(later), 0);
}

static void a_use_ends_what_was_noted(void **state)
{
	_cleanup_json_ json_t *notes = json_pack("{s:I}", A, (json_int_t)(NOW - 30 * DAY));
	_cleanup_json_ json_t *next = NULL;

	read_them("[" NAMED(A, "a:1") "}]", "[{\"ImageID\":\"" A "\"}]");
	prune_images_decide(&images, NOW, LIMIT);
	next = prune_images_note(&images, notes, NOW);
	assert_int_equal(json_object_size(next), 0);
}

static void a_limit_of_nothing_needs_no_date(void **state)
{
	read_them("[" NAMED(A, "a:1") "}," NAMED(B, "b:1") "}]", "[{\"ImageID\":\"" B "\"}]");
	date_all(-1);
	prune_images_decide(&images, NOW, 0);
	assert_judged(A, PRUNE_GOES);
	assert_judged(B, PRUNE_USED);
}

static void labels_and_our_own(void **state)
{
	read_them("[{\"Id\":\"" A "\"," OLD ",\"Labels\":{\"berth.dev/keep\":\"\"}},"
		  "{\"Id\":\"" B "\"," OLD ",\"Labels\":{\"berth.dev/keep\":\"false\"}},"
		  "{\"Id\":\"" C "\"," OLD
		  ",\"Labels\":{\"berth.dev/keep\":\"no\"}}," NAMED(D, "berth-verify:probe") "}]",
		  "[]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_LABELLED);
	assert_judged(B, PRUNE_GOES);
	assert_judged(C, PRUNE_LABELLED);
	assert_judged(D, PRUNE_OWN);
}

static void refs_of(const char *names, size_t expected)
{
	_cleanup_free_ char *text = xasprintf("[{\"Id\":\"" A "\"," OLD ",%s}]", names);

	read_them(text, "[]");
	assert_int_equal(image(A)->refs.len, expected);
}

/* One name: by the id, where Docker looks at everything first. More: one by one. */
static void names(void **state)
{
	refs_of("\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":[\"<none>@<none>\"]", 0);
	assert_string_equal(image(A)->name, "aaaaaaaaaaaa");
	assert_false(image(A)->named);
	refs_of("\"RepoTags\":[],\"RepoDigests\":[]", 0);
	refs_of("\"RepoTags\":[\"r.io:5/a:1\"],\"RepoDigests\":[\"r.io:5/a@sha256:12\"]", 0);
	assert_string_equal(image(A)->name, "r.io:5/a:1");
	refs_of("\"RepoTags\":[],\"RepoDigests\":[\"a@sha256:1\",\"a@sha256:2\"]", 0);
	assert_true(image(A)->named);
	assert_string_equal(image(A)->name, "a@aaaaaaaaaaaa");
	refs_of("\"RepoTags\":[\"a:1\",\"a:2\"],\"RepoDigests\":[\"a@sha256:1\"]", 2);
	assert_string_equal(image(A)->refs.items[1], "a:2");
	refs_of("\"RepoTags\":[\"a:1\"],\"RepoDigests\":[\"a@sha256:1\",\"b@sha256:1\",\"b@sha256:2\"]",
		3);
	assert_string_equal(image(A)->refs.items[2], "b@sha256:2");
	assert_int_equal(image(A)->tags.len, 1);
}

#define CHILD(id, tag, parent) NAMED(id, tag) ",\"ParentId\":\"" parent "\"}"
#define INNER(id, parent) \
	"{\"Id\":\"" id "\"," OLD ",\"RepoTags\":[\"<none>:<none>\"],\"ParentId\":\"" parent "\"}"

/* D is made of C (no name), that of B, that of A. */
#define CHAIN                                                                         \
	"[" NAMED(A, "base:1") ",\"ParentId\":\"\"}," CHILD(B, "mid:1", A) "," INNER( \
		C, B) "," CHILD(D, "top:1", C) "]"

static void what_used_images_are_made_of_stays(void **state)
{
	read_them(CHAIN, "[{\"ImageID\":\"" D "\"}]");
	date_all(30);
	prune_images_decide(&images, NOW, 0);
	assert_judged(A, PRUNE_USED);
	assert_judged(B, PRUNE_USED);
	assert_judged(C, PRUNE_USED);
	read_them(CHAIN, "[{\"ImageID\":\"" B "\"}]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_USED);
	assert_judged(B, PRUNE_USED);
	assert_judged(C, PRUNE_INNER);
	assert_judged(D, PRUNE_GOES);
}

static void children_go_first(void **state)
{
	read_them(CHAIN, "[]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(C, PRUNE_INNER);
	assert_string_equal(images.items[0].id, D);
	assert_string_equal(images.items[1].id, B);
	assert_string_equal(images.items[2].id, A);
	assert_false(images.items[0].alone);
}

static void what_a_young_image_is_made_of_stays(void **state)
{
	read_them(CHAIN, "[]");
	date_all(30);
	date(D, 1, "{}");
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_BASE);
	assert_judged(B, PRUNE_BASE);
	assert_judged(D, PRUNE_YOUNG);
}

/* Docker would take it along with its last child. */
static void a_nameless_parent_with_the_label_stays(void **state)
{
	read_them("[{\"Id\":\"" A "\"," OLD ",\"Labels\":{\"berth.dev/keep\":\"1\"}}," INNER(
			  B, A) "," CHILD(C, "top:1", B) "]",
		  "[]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_LABELLED);
	assert_judged(C, PRUNE_GOES);
	assert_true(image(C)->alone);
}

static void dangling_ones_go_as_others(void **state)
{
	read_them("[" INNER(A, "") "," INNER(B, "sha256:00") "]", "[]");
	date(A, 30, "{}");
	date(B, 1, "{}");
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_GOES);
	assert_judged(B, PRUNE_YOUNG);
}

/* Docker 28 mounts images, and tells them by the name that was asked for. */
static void mounted_images_stay(void **state)
{
	read_them(
		"[" NAMED(A, "tools:latest") "}," NAMED(B, "other:1") "}," INNER(C, "") "," NAMED(
			D, "x:1") "}]",
		"[{\"ImageID\":\"sha256:00\",\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"x:1\"},"
		"{\"Type\":\"image\",\"Name\":\"tools\"},{\"Type\":\"image\",\"Name\":\"bbbb\"}]}]");
	date_all(30);
	prune_images_decide(&images, NOW, LIMIT);
	assert_judged(A, PRUNE_USED);
	assert_judged(B, PRUNE_USED);
	assert_judged(C, PRUNE_USED); /* it may have had that name then */
	assert_judged(D, PRUNE_GOES);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		const char *images, *containers;
	} CASES[] = {
		{ "{}", "[]" },
		{ "[]", "{}" },
		{ "[1]", "[]" },
		{ "[{}]", "[]" },
		{ "[{\"Id\":\"../x\"," OLD "}]", "[]" },
		{ "[{\"Id\":\"sha256:\"," OLD "}]", "[]" },
		{ "[{\"Id\":\"" A "\",\"Created\":1}]", "[]" },
		{ "[{\"Id\":\"" A "\",\"Size\":1,\"Created\":\"1\"}]", "[]" },
		{ "[{\"Id\":\"" A "\",\"Size\":-1,\"Created\":1}]", "[]" },
		{ "[{\"Id\":\"" A "\"," OLD ",\"RepoTags\":\"a\"}]", "[]" },
		{ "[{\"Id\":\"" A "\"," OLD ",\"RepoTags\":[1]}]", "[]" },
		{ "[" NAMED(A, "a:1") "}," NAMED(A, "b:1") "}]", "[]" },
		{ "[" CHILD(A, "a:1", B) "," CHILD(B, "b:1", A) "]", "[]" },
		{ "[" CHILD(A, "a:1", A) "]", "[]" },
		{ "[" NAMED(A, "a:1") "}]", "[{}]" },
		{ "[" NAMED(A, "a:1") "}]", "[{\"ImageID\":\"\"}]" },
		{ "[" NAMED(A, "a:1") "}]", "[{\"ImageID\":1}]" },
		{ "[" NAMED(A, "a:1") "}]", "[null]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		error_clear(&must_err);
		if (try_read(CASES[i].images, CASES[i].containers) != -EPROTO)
			fail_msg("case %zu", i);
		assert_non_null(strstr(must_err.message, "nothing was removed"));
		assert_int_equal(images.len, 0);
	}
	read_them("[]", "[]");
	assert_int_equal(images.len, 0);
}

static void nonsense_in_dates_keeps(void **state)
{
	static const char *const TEXTS[] = {
		"{}",
		"{\"Metadata\":null}",
		"{\"Metadata\":{\"LastTagTime\":0}}",
		"{\"Metadata\":{\"LastTagTime\":\"yesterday\"},\"Created\":\"\"}",
		"{\"Metadata\":{\"LastTagTime\":\"1970-01-01T00:00:00Z\"},\"Created\":7}",
	};
	_cleanup_json_ json_t *notes = json_pack("{s:s}", A, "long ago");

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		_cleanup_json_ json_t *inspected = parse(TEXTS[i]);

		read_them("[" NAMED(A, "a:1") "}]", "[]");
		prune_image_date(image(A), inspected, notes, NOW);
		prune_images_decide(&images, NOW, LIMIT);
		assert_judged(A, PRUNE_UNKNOWN);
	}
}

#define prune_test(f) cmocka_unit_test_teardown(f, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		prune_test(what_containers_have_stays),
		prune_test(ages),
		prune_test(the_newest_date_counts),
		prune_test(unknown_dates_wait_for_a_note),
		prune_test(a_use_ends_what_was_noted),
		prune_test(a_limit_of_nothing_needs_no_date),
		prune_test(labels_and_our_own),
		prune_test(names),
		prune_test(what_used_images_are_made_of_stays),
		prune_test(children_go_first),
		prune_test(what_a_young_image_is_made_of_stays),
		prune_test(a_nameless_parent_with_the_label_stays),
		prune_test(dangling_ones_go_as_others),
		prune_test(mounted_images_stay),
		prune_test(nonsense_is_refused),
		prune_test(nonsense_in_dates_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
