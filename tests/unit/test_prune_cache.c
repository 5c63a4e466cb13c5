#include "host_fixture.h"

#include "node/prune_cache.h"

#define NOW   INT64_C(1714558272) /* 2024-05-01T10:11:12Z */
#define LIMIT (UINT64_C(7) * 86400 * 1000)
#define OLD   "\"Size\":10,\"InUse\":false,\"LastUsedAt\":\"2024-04-01T00:00:00.1Z\""
#define NEW   "\"Size\":10,\"InUse\":false,\"LastUsedAt\":\"2024-04-30T00:00:00.1Z\""

static int judge(const char *text, uint64_t limit, struct prune_cache *ret)
{
	_cleanup_json_ json_t *value = NULL;

	must(json_parse(text, strlen(text), "the test's text", &value, &must_err));
	return prune_cache_judge(value, NOW, limit, ret, &must_err);
}

static void assert_going(const char *records, uint64_t limit, const char *ids, uint64_t size)
{
	_cleanup_free_ char *text = xasprintf("{\"BuildCache\":%s}", records);
	_cleanup_(prune_cache_release) struct prune_cache cache = PRUNE_CACHE_INIT;
	_cleanup_free_ char *joined = NULL;

	must(judge(text, limit, &cache));
	joined = strv_join(&cache.ids, " ");
	assert_string_equal(joined ? joined : "", ids);
	assert_int_equal(cache.size, size);
}

static void what_is_judged(void **state)
{
	assert_going("null", LIMIT, "", 0);
	assert_going("[]", LIMIT, "", 0);
	assert_going("[{\"ID\":\"a\"," OLD "},{\"ID\":\"b\"," NEW "}]", LIMIT, "a", 10);
	assert_going("[{\"ID\":\"a\"," OLD "},{\"ID\":\"b\"," NEW "}]", 0, "a b", 20);
	/* Exactly at the limit, and a second before. */
	assert_going(
		"[{\"ID\":\"a\",\"Size\":1,\"InUse\":false,\"LastUsedAt\":\"2024-04-24T10:11:12Z\"},"
		"{\"ID\":\"b\",\"Size\":1,\"InUse\":false,\"LastUsedAt\":\"2024-04-24T10:11:13Z\"}]",
		LIMIT, "a", 1);
	/* Never used; used by a build now; a date that cannot be read; nothing said of its use. */
	assert_going(
		"[{\"ID\":\"a\",\"Size\":1,\"InUse\":false,\"LastUsedAt\":null},"
		"{\"ID\":\"b\",\"Size\":1,\"InUse\":true,\"LastUsedAt\":\"2024-04-01T00:00:00Z\"},"
		"{\"ID\":\"c\",\"Size\":1,\"InUse\":false,\"LastUsedAt\":\"once\"},"
		"{\"ID\":\"d\",\"Size\":1}]",
		LIMIT, "a", 1);
	/* What an image has too goes, but frees nothing. */
	assert_going("[{\"ID\":\"a\",\"Shared\":true," OLD "},{\"ID\":\"b\",\"Shared\":false," OLD
		     "}]",
		     LIMIT, "a b", 10);
}

/* One parent (20.10), a list (23 to 27), a list with a misspelt key (28). */
static void what_a_kept_record_is_made_of_stays(void **state)
{
	assert_going("[{\"ID\":\"a\"," OLD "},{\"ID\":\"b\",\"Parent\":\"a\"," OLD "},"
		     "{\"ID\":\"c\",\"Parent\":\"b\"," NEW "}]",
		     LIMIT, "", 0);
	assert_going("[{\"ID\":\"c\",\"Parents\":[\"b\",\"x\"]," NEW "},{\"ID\":\"b\"," OLD "},"
		     "{\"ID\":\"a\"," OLD "}]",
		     LIMIT, "a", 10);
	assert_going("[{\"ID\":\"c\",\" Parents\":[\"b\"]," NEW "},{\"ID\":\"b\"," OLD "}]", LIMIT,
		     "", 0);
	assert_going("[{\"ID\":\"a\"," OLD "},{\"ID\":\"b\",\"Parents\":[\"a\"]," OLD "}]", LIMIT,
		     "a b", 20);
}

static void nonsense_is_refused(void **state)
{
	static const char *const TEXTS[] = {
		"[]",
		"{\"BuildCache\":{}}",
		"{\"BuildCache\":[1]}",
		"{\"BuildCache\":[{}]}",
		"{\"BuildCache\":[{\"ID\":\"a\"}]}",
		"{\"BuildCache\":[{\"ID\":1,\"Size\":1}]}",
	};
	struct prune_cache cache = PRUNE_CACHE_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		assert_int_equal(judge(TEXTS[i], LIMIT, &cache), -EPROTO);
		assert_int_equal(cache.ids.len, 0);
	}
}

static void reports(void **state)
{
	static const struct {
		const char *text;
		int r;
		size_t ids;
	} CASES[] = {
		{ "{\"CachesDeleted\":null,\"SpaceReclaimed\":0}", 0, 0 },
		{ "{\"CachesDeleted\":[\"a\",\"b\"],\"SpaceReclaimed\":7}", 0, 2 },
		{ "{}", -EPROTO, 0 },
		{ "{\"CachesDeleted\":[1],\"SpaceReclaimed\":7}", -EPROTO, 0 },
		{ "{\"CachesDeleted\":{},\"SpaceReclaimed\":7}", -EPROTO, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_(prune_cache_release) struct prune_cache cache = PRUNE_CACHE_INIT;
		_cleanup_json_ json_t *value = NULL;

		must(json_parse(CASES[i].text, strlen(CASES[i].text), "x", &value, &must_err));
		assert_int_equal(prune_cache_read(value, &cache, &must_err), CASES[i].r);
		assert_int_equal(cache.ids.len, CASES[i].ids);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_judged),
		cmocka_unit_test(what_a_kept_record_is_made_of_stays),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
