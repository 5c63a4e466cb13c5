#include "engine/docker_usage.h"

#include "base/units.h"
#include "engine/docker_call.h"

#define USAGE_CAP ((size_t)64 << 20) /* before API 1.42 every container and volume is in it */

unsigned docker_api_minor(const json_t *version)
{
	const char *text = json_get_string(version, "ApiVersion");
	uint64_t minor;

	if (!text || strncmp(text, "1.", 2) != 0 || u64_parse(text + 2, &minor) < 0)
		return 0;
	return (unsigned)MIN_OF(minor, (uint64_t)9999);
}

/*
 * Of one type alone where the engine can: "type" is of API 1.42, and in 1.52 the answer has another
 * form, which an older version in the path keeps away. 1.44 is the oldest that all who know 1.52
 * take.
 */
static int ask_usage(const struct docker *docker, unsigned api_minor, const char *type,
		     uint64_t timeout_ms, json_t **ret, struct error *err)
{
	_cleanup_free_ char *url =
		xasprintf("%s/system/df%s%s", api_minor >= 44 ? "/v1.44" : "",
			  api_minor >= 42 ? "?type=" : "", api_minor >= 42 ? type : "");
	const struct http_request request = {
		.url = url,
		.timeout_ms = timeout_ms,
		.body_cap = USAGE_CAP,
	};

	if (!url)
		return error_errno(err, ENOMEM, "ask for docker's disk usage");
	return docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
}

int docker_build_cache(const struct docker *docker, unsigned api_minor, uint64_t timeout_ms,
		       json_t **ret, struct error *err)
{
	int r = ask_usage(docker, api_minor, "build-cache", timeout_ms, ret, err);

	return r < 0 ? error_context(err, "list docker's build cache") : 0;
}

int docker_layers_size(const struct docker *docker, unsigned api_minor, uint64_t timeout_ms,
		       uint64_t *ret, struct error *err)
{
	_cleanup_json_ json_t *answer = NULL;
	json_int_t size;
	int r;

	if (api_minor < 42)
		return error_set(err, EOPNOTSUPP, "this docker tells no sizes of images alone");
	r = ask_usage(docker, api_minor, "image", timeout_ms, &answer, err);
	if (r < 0)
		return error_context(err, "ask for the size of docker's images");
	size = json_get_int(answer, "LayersSize", -1);
	if (size < 0)
		return error_set(err, EPROTO, "docker does not tell the size of its images");
	*ret = (uint64_t)size;
	return 0;
}

int docker_build_prune(const struct docker *docker, uint64_t unused_s, uint64_t timeout_ms,
		       json_t **ret, struct error *err)
{
	/* {"until":{"604800s":true}}: a duration is understood by all of them, a date not by 20.10.
	 */
	_cleanup_free_ char *url =
		xasprintf("/build/prune?all=1&filters=%%7B%%22until%%22%%3A%%7B%%22%" PRIu64
			  "s%%22%%3Atrue%%7D%%7D",
			  unused_s);
	const struct http_request request = {
		.method = "POST",
		.url = url,
		.timeout_ms = timeout_ms,
	};
	int r;

	if (!url)
		return error_errno(err, ENOMEM, "remove build cache");
	r = docker_ask_json(docker, &request, JSON_OBJECT, ret, err);
	return r < 0 ? error_context(err, "remove build cache") : 0;
}
