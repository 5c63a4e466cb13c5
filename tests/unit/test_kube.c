#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "kube/access.h"
#include "kube/object.h"

static const struct node_state READY = { true, "ready", "Proven", "it is" };
static const struct node_state NOT_READY = { false, "degraded", "DockerDead", "dockerd does not run" };

static json_t *parse(const char *text)
{
	json_t *value = NULL;

	assert_int_equal(json_parse(text, strlen(text), "a test", &value, NULL), 0);
	return value;
}

static void assert_json(json_t *value, const char *expected)
{
	json_t *wanted = parse(expected);

	if (!json_equal(value, wanted))
		fail_msg("%s is not %s", json_dumps(value, JSON_COMPACT), expected);
	json_decref(wanted);
	json_decref(value);
}

static void labels_and_condition(void **state)
{
	_cleanup_json_ json_t *node = parse(
		"{\"metadata\":{\"labels\":{\"sysbox-runtime\":\"running\",\"berth.dev/state\":\"ready\"}},\"status\":{"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"SandboxHostReady\",\"status\":\"True\","
		"\"reason\":\"Proven\",\"message\":\"it is\",\"lastTransitionTime\":\"2026-01-31T10:00:00Z\"}]}}");
	_cleanup_json_ json_t *bare = parse("{\"metadata\":{}}");
	const struct node_state other = { true, "ready", "Proven", "otherwise" };
	const char *since;

	(void)state;
	assert_true(node_has_labels(node, &READY));
	assert_false(node_has_labels(node, &NOT_READY));
	assert_false(node_has_labels(bare, &NOT_READY));
	assert_true(node_has_condition(node, &READY, &since));
	assert_string_equal(since, "2026-01-31T10:00:00Z");
	assert_false(node_has_condition(node, &other, &since)); /* another message, the same status */
	assert_string_equal(since, "2026-01-31T10:00:00Z");
	assert_false(node_has_condition(node, &NOT_READY, &since));
	assert_null(since);
	assert_false(node_has_condition(bare, &READY, &since));
	assert_json(node_labels_patch("n", &READY),
		    "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"labels\":{"
		    "\"sysbox-runtime\":\"running\",\"berth.dev/state\":\"ready\"}}}");
	/* Applying without a label takes it back. */
	assert_json(node_labels_patch("n", &NOT_READY),
		    "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"labels\":{"
		    "\"berth.dev/state\":\"degraded\"}}}");
	assert_json(node_condition_patch("n", &NOT_READY, "S", "N"),
		    "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n\"},\"status\":{\"conditions\":[{"
		    "\"type\":\"SandboxHostReady\",\"status\":\"False\",\"reason\":\"DockerDead\",\"message\":"
		    "\"dockerd does not run\",\"lastTransitionTime\":\"S\",\"lastHeartbeatTime\":\"N\"}]}}");
}

static void the_handler(void **state)
{
	_cleanup_json_ json_t *without = json_pack("{s:{s:[{s:{}}, {s:s}]}}", "status", "runtimeHandlers", "features", "name",
						   "runc");
	_cleanup_json_ json_t *with = json_pack("{s:{s:[{s:s}, {s:s}]}}", "status", "runtimeHandlers", "name", "runc", "name",
						"sysbox-runc");

	assert_false(node_has_handler(without, "sysbox-runc"));
	assert_false(node_has_handler(NULL, "sysbox-runc"));
	assert_true(node_has_handler(with, "sysbox-runc"));
	assert_false(node_has_handler(with, "sysbox"));
}

static void the_start_up_taint(void **state)
{
	_cleanup_json_ json_t *node = parse(
		"{\"spec\":{\"taints\":[{\"key\":\"sandbox-runtime\",\"value\":\"sysbox\",\"effect\":\"NoSchedule\"},"
		"{\"key\":\"sysbox-runtime\",\"value\":\"not-running\",\"effect\":\"NoSchedule\"},"
		"{\"key\":\"bare\",\"effect\":\"NoExecute\"}]}}");
	_cleanup_json_ json_t *none = parse("{\"spec\":{}}");

	(void)state;
	assert_json(node_taint_patch(node, "sysbox-runtime=not-running:NoSchedule"),
		    "[{\"op\":\"test\",\"path\":\"/spec/taints/1\",\"value\":{\"key\":\"sysbox-runtime\",\"value\":"
		    "\"not-running\",\"effect\":\"NoSchedule\"}},{\"op\":\"remove\",\"path\":\"/spec/taints/1\"}]");
	assert_json(node_taint_patch(node, "bare=:NoExecute"),
		    "[{\"op\":\"test\",\"path\":\"/spec/taints/2\",\"value\":{\"key\":\"bare\",\"effect\":\"NoExecute\"}},"
		    "{\"op\":\"remove\",\"path\":\"/spec/taints/2\"}]");
	assert_null(node_taint_patch(node, "sysbox-runtime=not-running:NoExecute"));
	assert_null(node_taint_patch(node, ""));
	assert_null(node_taint_patch(none, "bare=:NoExecute"));
}

static void events(void **state)
{
	_cleanup_free_ char *name = event_name("n", "DockerDead"), *other = event_name("n", "Drift");
	_cleanup_json_ json_t *event = event_create("n", "uid", "DockerDead", "it does not run", true, "T");

	(void)state;
	assert_true(strncmp(name, "n.berth-", 8) == 0);
	assert_string_not_equal(name, other);
	assert_string_equal(json_get_string(json_object_get(event, "metadata"), "name"), name);
	assert_string_equal(json_get_string(event, "type"), "Warning");
	assert_string_equal(json_get_string(json_object_get(event, "regarding"), "uid"), "uid");
	assert_json(event_series_patch(3, "T"), "{\"series\":{\"count\":3,\"lastObservedTime\":\"T\"}}");
}

static enum lease_verdict judge(const char *version, const char *spec, struct lease_seen *seen, uint64_t now_ms)
{
	_cleanup_json_ json_t *lease = json_pack("{s:{s:s}, s:o}", "metadata", "resourceVersion", version, "spec", parse(spec));

	return lease_judge(lease, "a", seen, now_ms);
}

static void slots(void **state)
{
	static const struct {
		const char *spec;
		enum lease_verdict first, later;
	} CASES[] = {
		{ "{}", LEASE_FREE, LEASE_FREE },
		{ "{\"holderIdentity\":\"\"}", LEASE_FREE, LEASE_FREE },
		{ "{\"holderIdentity\":\"a\"}", LEASE_OURS, LEASE_OURS },
		{ "{\"holderIdentity\":\"b\"}", LEASE_TAKEN, LEASE_TAKEN },
		{ "{\"holderIdentity\":\"b\",\"leaseDurationSeconds\":61}", LEASE_TAKEN, LEASE_TAKEN },
		{ "{\"holderIdentity\":\"b\",\"leaseDurationSeconds\":60}", LEASE_TAKEN, LEASE_FREE },
	};
	_cleanup_json_ json_t *old = parse("{\"metadata\":{\"resourceVersion\":\"7\",\"managedFields\":[]},\"spec\":{"
					   "\"holderIdentity\":\"a\"}}");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct lease_seen seen = { 0 };

		assert_int_equal(judge("7", CASES[i].spec, &seen, 1000), CASES[i].first);
		assert_int_equal(judge("7", CASES[i].spec, &seen, 62000), CASES[i].later);
	}
	assert_json(lease_take(NULL, "berth-slot-0", "ns", "a", 1000, 60),
		    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"berth-slot-0\","
		    "\"namespace\":\"ns\"},\"spec\":{\"holderIdentity\":\"a\",\"leaseDurationSeconds\":60,"
		    "\"acquireTime\":\"1970-01-01T00:16:40.000000Z\",\"renewTime\":\"1970-01-01T00:16:40.000000Z\"}}");
	assert_json(lease_give_back(old), "{\"metadata\":{\"resourceVersion\":\"7\"},\"spec\":{\"holderIdentity\":\"\"}}");
}

/* A date far off is only text: what counts is that the holder writes. */
static void slots_by_their_own_clock(void **state)
{
	static const char SPEC[] = "{\"holderIdentity\":\"b\",\"leaseDurationSeconds\":60,"
				   "\"renewTime\":\"1970-01-01T00:00:00.000000Z\"}";
	struct lease_seen seen = { 0 };

	(void)state;
	assert_int_equal(judge("7", SPEC, &seen, 500000), LEASE_TAKEN);
	assert_int_equal(judge("8", SPEC, &seen, 560000), LEASE_TAKEN);
	assert_int_equal(judge("8", SPEC, &seen, 620000), LEASE_TAKEN);
	assert_int_equal(judge("8", SPEC, &seen, 621000), LEASE_FREE);
}

/* ---- access ---- */

static char dir[] = "/tmp/berth-test-kube-XXXXXX";

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/berth-test-kube-XXXXXX");
	(void)unsetenv("KUBERNETES_SERVICE_HOST");
	(void)unsetenv("KUBERNETES_SERVICE_PORT");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const NAMES[] = { "token", "ca.crt", "namespace" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, NAMES[i]);

		(void)unlink(path);
	}
	return rmdir(dir);
}

static void in_a_pod(void **state)
{
	_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(kube_access_open("", dir, &access, &err), -ENOENT);
	assert_non_null(strstr(err.message, "KUBERNETES_SERVICE_HOST"));
	(void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	(void)setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
	assert_int_equal(kube_access_open("", dir, &access, &err), -ENOENT);
	assert_non_null(strstr(err.message, "token"));
	put("token", "first\n");
	put("ca.crt", "PEM");
	put("namespace", "");
	assert_int_equal(kube_access_open("", dir, &access, &err), -ENODATA);
	put("namespace", "sandboxes");
	assert_int_equal(kube_access_open("", dir, &access, &err), 0);
	assert_string_equal(access.server, "https://[fd00::1]:6443");
	assert_string_equal(access.authorization, "Authorization: Bearer first");
	assert_string_equal(access.namespace, "sandboxes");
	/* Rotated: seen a minute later, or at once after a 401. */
	put("token", "second");
	assert_int_equal(kube_access_refresh(&access, &err), 0);
	assert_string_equal(access.token, "first");
	kube_access_expire(&access);
	assert_int_equal(kube_access_refresh(&access, &err), 0);
	assert_string_equal(access.authorization, "Authorization: Bearer second");
}

static void by_its_url(void **state)
{
	_cleanup_(kube_access_release) struct kube_access access = KUBE_ACCESS_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	put("token", "t");
	put("ca.crt", "c");
	put("namespace", "n");
	assert_int_equal(kube_access_open("http://10.0.0.1", dir, &access, &err), -EINVAL);
	assert_int_equal(kube_access_open("https://10.0.0.1:6443", dir, &access, &err), 0);
	assert_string_equal(access.server, "https://10.0.0.1:6443");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_and_condition),
		cmocka_unit_test(the_handler), cmocka_unit_test(the_start_up_taint),
		cmocka_unit_test(events),
		cmocka_unit_test(slots),
		cmocka_unit_test(slots_by_their_own_clock),
		cmocka_unit_test_setup_teardown(in_a_pod, setup, teardown),
		cmocka_unit_test_setup_teardown(by_its_url, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
