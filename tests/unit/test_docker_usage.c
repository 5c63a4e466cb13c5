#include "docker_fixture.h"

#include "engine/docker_usage.h"

static void test_api_minor(void **state)
{
	static const struct {
		const char *version;
		unsigned minor;
	} CASES[] = { { "1.41", 41 }, { "1.51", 51 }, { "1.", 0 },
		      { "1.4x", 0 },  { "2.0", 0 },   { "", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		_cleanup_json_ json_t *version = json_pack("{s:s}", "ApiVersion", CASES[i].version);

		assert_int_equal(docker_api_minor(version), CASES[i].minor);
	}
	assert_int_equal(docker_api_minor(NULL), 0);
}

static void test_usage(void **state)
{
	SERVE({ .text = JSON("200 OK", "{\"BuildCache\":[]}") },
	      { .text = JSON("200 OK", "{\"LayersSize\":12}") },
	      { .text = JSON("200 OK", "{\"BuildCache\":[]}") },
	      { .text = JSON("200 OK", "{\"LayersSize\":null}") },
	      { .text = JSON("200 OK", "{\"CachesDeleted\":null,\"SpaceReclaimed\":0}") });
	_cleanup_json_ json_t *old = NULL;
	_cleanup_json_ json_t *cache = NULL;
	_cleanup_json_ json_t *report = NULL;
	uint64_t size = 0;

	assert_int_equal(docker_build_cache(&docker, 41, 1000, &old, &err), 0);
	assert_non_null(strstr(fake_request(&server, 0), "GET /system/df HTTP/1.1\r\n"));
	assert_int_equal(docker_layers_size(&docker, 42, 1000, &size, &err), 0);
	assert_non_null(strstr(fake_request(&server, 1), "GET /system/df?type=image HTTP"));
	assert_int_equal(size, 12);
	assert_int_equal(docker_layers_size(&docker, 41, 1000, &size, &err), -EOPNOTSUPP);
	assert_int_equal(docker_build_cache(&docker, 51, 1000, &cache, &err), 0);
	assert_non_null(
		strstr(fake_request(&server, 2), "GET /v1.44/system/df?type=build-cache HTTP"));
	assert_int_equal(docker_layers_size(&docker, 52, 1000, &size, &err), -EPROTO);
	assert_int_equal(docker_build_prune(&docker, 604800, 1000, &report, &err), 0);
	assert_non_null(
		strstr(fake_request(&server, 4),
		       "POST /build/prune?all=1&filters=%7B%22until%22%3A%7B%22604800s%22%3A"
		       "true%7D%7D HTTP/1.1\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_api_minor),
		engine_test(test_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
