#include "host_fixture.h"

#include "fake_server.h"
#include "node/prune.h"

#define JSON(status, body) \
	"HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
#define A     "sha256:aaaaaaaaaaaaaaaa"
#define B     "sha256:bbbbbbbbbbbbbbbb"
#define OLD   "\"Created\":1500000000,\"Size\":1000"
#define LIMIT (UINT64_C(7) * 86400 * 1000)

#define OLD_DOCKER                                                  \
	{                                                           \
		.text = JSON("200 OK", "{\"ApiVersion\":\"1.41\"}") \
	}
#define NEW_DOCKER                                                  \
	{                                                           \
		.text = JSON("200 OK", "{\"ApiVersion\":\"1.51\"}") \
	}
#define IMAGES(list)                         \
	{                                    \
		.text = JSON("200 OK", list) \
	}
#define NO_CONTAINERS                        \
	{                                    \
		.text = JSON("200 OK", "[]") \
	}
#define TAGGED                                                                            \
	{                                                                                 \
		.text = JSON("200 OK",                                                    \
			     "{\"Metadata\":{\"LastTagTime\":\"2020-01-01T00:00:00Z\"}}") \
	}
#define NEVER_TAGGED                                                                      \
	{                                                                                 \
		.text = JSON("200 OK",                                                    \
			     "{\"Metadata\":{\"LastTagTime\":\"0001-01-01T00:00:00Z\"}}") \
	}
#define LAYERS(n)                                                 \
	{                                                         \
		.text = JSON("200 OK", "{\"LayersSize\":" #n "}") \
	}
#define DONE                                 \
	{                                    \
		.text = JSON("200 OK", "[]") \
	}
#define IN_USE                                                               \
	{                                                                    \
		.text = JSON("409 No", "{\"message\":\"conflict: in use\"}") \
	}
#define FAILS                                                        \
	{                                                            \
		.text = JSON("500 Oh", "{\"message\":\"it burns\"}") \
	}
#define NO_CACHE                                                                        \
	{                                                                               \
		.text = JSON("200 OK", "{\"CachesDeleted\":null,\"SpaceReclaimed\":0}") \
	}
#define ONE "[{\"Id\":\"" A "\"," OLD ",\"RepoTags\":[\"a:1\"]}]"
#define TWO                                                                         \
	"[{\"Id\":\"" A "\"," OLD ",\"RepoTags\":[\"a:1\"]},{\"Id\":\"" B "\"," OLD \
	",\"RepoTags\":[\"b:1\"]}]"
#define TWO_NAMES "[{\"Id\":\"" A "\"," OLD ",\"RepoTags\":[\"a:1\",\"b:1\"]}]"

#define SERVE(...)                                                   \
	static const struct fake_answer answers[] = { __VA_ARGS__ }; \
	_cleanup_(fake_stop) struct fake_server server;              \
	fake_start(&server, real("/run/docker.sock"), answers, ARRAY_SIZE(answers))

static struct node node;
static struct prune_result result;

static int setup(void **state)
{
	int r = test_setup(state);

	node = (struct node){ .lock_fd = -EBADF };
	node.ctx.change = (struct change_context){ .host = &node.host };
	must(spec_default(&node.spec, &must_err));
	must(host_mkdirs(&host, "/run", 0755, NULL, &must_err));
	put_systemctl();
	put_unit("docker.service", "active", "enabled", "");
	node.host = host;
	return r;
}

static int teardown(void **state)
{
	prune_result_release(&result);
	context_changed(&node.ctx.change);
	spec_release(&node.spec);
	return test_teardown(state);
}

static int prune(bool dry_run)
{
	prune_result_release(&result);
	error_clear(&must_err);
	return node_prune(&node, LIMIT, dry_run, &result, &must_err);
}

#define assert_asked(n, text) assert_non_null(strstr(fake_request(&server, n), text))
#define assert_count(n)	      assert_int_equal(fake_count(&server), n)

static void no_docker(void **state)
{
	put_unit("docker.service", "inactive", "enabled", "");
	assert_int_equal(prune(false), -ENOTCONN);
	assert_string_equal(must_err.message,
			    "docker is not running (docker.service is inactive), and nothing was "
			    "removed: start it with systemctl start docker");
	put_unit("docker.service", "active", "enabled", "");
	context_changed(&node.ctx.change);
	assert_int_equal(prune(false), -ENOENT);
	assert_string_equal(must_err.message,
			    "docker is not running (there is no '/run/docker.sock')");
}

static void what_is_old_goes(void **state)
{
	SERVE(NEW_DOCKER, IMAGES(TWO), { .text = JSON("200 OK", "[{\"ImageID\":\"" B "\"}]") },
	      TAGGED, LAYERS(5000), DONE, LAYERS(4200),
	      { .text = JSON("200 OK", "{\"CachesDeleted\":[\"x\"],\"SpaceReclaimed\":30}") });

	must(prune(false));
	assert_asked(0, "GET /version ");
	assert_asked(1, "GET /images/json?all=1 ");
	assert_asked(2, "GET /containers/json?all=1 ");
	assert_asked(3, "GET /images/" A "/json ");
	assert_asked(5, "DELETE /images/" A "?force=0&noprune=0 ");
	assert_asked(7, "POST /build/prune?all=1&filters=%7B%22until%22%3A%7B%22604800s%22");
	assert_count(8);
	assert_int_equal(result.images.items[0].outcome, PRUNE_REMOVED);
	assert_true(result.exact);
	assert_int_equal(result.freed, 800);
	assert_int_equal(result.cache.size, 30);
	assert_false(host_exists(&host, PRUNE_NOTES));
}

/* 20.10 cannot measure: what the images' own sizes add up to. */
static void an_old_docker(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(ONE), NO_CONTAINERS, TAGGED, DONE, NO_CACHE);

	must(prune(false));
	assert_count(6);
	assert_false(result.exact);
	assert_int_equal(result.freed, 1000);
}

static void a_dry_run_changes_nothing(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(TWO), NO_CONTAINERS, TAGGED, NEVER_TAGGED,
	      { .text = JSON("200 OK", "{\"BuildCache\":[{\"ID\":\"x\",\"Size\":5,\"InUse\":false,"
				       "\"LastUsedAt\":\"2020-01-01T00:00:00Z\"}]}") });

	must(prune(true));
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(strncmp(fake_request(&server, i), "GET ", 4), 0);
	assert_asked(5, "GET /system/df ");
	assert_count(6);
	assert_int_equal(result.images.items[0].verdict, PRUNE_GOES);
	assert_int_equal(result.images.items[0].outcome, PRUNE_PENDING);
	assert_int_equal(result.images.items[1].verdict, PRUNE_UNKNOWN);
	assert_int_equal(result.freed, 1000);
	assert_int_equal(result.cache.ids.len, 1);
	assert_false(host_exists(&host, CACHE_DIR));
}

static void what_came_into_use_is_skipped(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(TWO), NO_CONTAINERS, TAGGED, TAGGED, IN_USE,
	      { .text = JSON("404 No", "{\"message\":\"No such image\"}") }, NO_CACHE);

	must(prune(false));
	assert_int_equal(result.images.items[0].outcome, PRUNE_SKIPPED);
	assert_string_equal(result.images.items[0].why,
			    "it came into use meanwhile (remove the image '" A
			    "': docker: conflict: "
			    "in use)");
	assert_string_equal(result.images.items[1].why, "it went meanwhile");
	assert_int_equal(result.freed, 0);
}

/* The first name of two goes without a look at containers: it comes back. */
static void names_are_put_back(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(TWO_NAMES), NO_CONTAINERS, TAGGED, DONE, IN_USE,
	      { .text = JSON("201 Created", "") }, NO_CACHE);

	must(prune(false));
	assert_asked(4, "DELETE /images/a:1?");
	assert_asked(5, "DELETE /images/b:1?");
	assert_asked(6, "POST /images/" A "/tag?repo=a&tag=1 ");
	assert_int_equal(result.images.items[0].outcome, PRUNE_SKIPPED);
	assert_count(8);
}

static void a_failure_stops_nothing_else(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(TWO), NO_CONTAINERS, TAGGED, TAGGED, FAILS, DONE, NO_CACHE);

	assert_int_equal(prune(false), -EIO);
	assert_non_null(strstr(must_err.message, "1 image could not be removed"));
	assert_int_equal(result.images.items[0].outcome, PRUNE_FAILED);
	assert_int_equal(result.images.items[1].outcome, PRUNE_REMOVED);
	assert_count(8);
}

static void a_lost_docker_ends_it(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(TWO), NO_CONTAINERS, TAGGED, TAGGED, DONE, { .text = "" });

	assert_true(prune(false) < 0);
	assert_int_equal(result.images.items[0].outcome, PRUNE_REMOVED);
	assert_int_equal(result.images.items[1].outcome, PRUNE_PENDING);
	assert_count(7);
}

static void nonsense_removes_nothing(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(ONE), { .text = JSON("200 OK", "[{}]") });

	assert_int_equal(prune(false), -EPROTO);
	assert_count(3);
}

static void notes_are_kept(void **state)
{
	SERVE(OLD_DOCKER, IMAGES(ONE), NO_CONTAINERS, NEVER_TAGGED, NO_CACHE, OLD_DOCKER,
	      IMAGES(ONE), NO_CONTAINERS, NEVER_TAGGED, DONE, NO_CACHE);

	put(PRUNE_NOTES, "{\"" A "\":"); /* damaged: as none */
	must(prune(false));
	assert_int_equal(result.images.items[0].verdict, PRUNE_UNKNOWN);
	assert_non_null(strstr(text_of(PRUNE_NOTES), A));
	put(PRUNE_NOTES, "{\"" A "\":1600000000}");
	must(prune(false));
	assert_int_equal(result.images.items[0].outcome, PRUNE_REMOVED);
	assert_string_equal(text_of(PRUNE_NOTES), "{}");
}

static void settings_choose(void **state)
{
	SERVE(OLD_DOCKER, NO_CACHE, OLD_DOCKER, IMAGES("[]"), NO_CONTAINERS);

	node.spec.prune.images = false;
	must(prune(false));
	assert_asked(1, "POST /build/prune");
	node.spec.prune.images = true;
	node.spec.prune.build_cache = false;
	must(prune(false));
	assert_count(5);
}

#define prune_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		prune_test(no_docker),
		prune_test(what_is_old_goes),
		prune_test(an_old_docker),
		prune_test(a_dry_run_changes_nothing),
		prune_test(what_came_into_use_is_skipped),
		prune_test(names_are_put_back),
		prune_test(a_failure_stops_nothing_else),
		prune_test(a_lost_docker_ends_it),
		prune_test(nonsense_removes_nothing),
		prune_test(notes_are_kept),
		prune_test(settings_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
