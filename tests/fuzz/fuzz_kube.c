/* Any JSON as what an API server says of a node and of a lease: what is sent back is always JSON. */
#include "kube/object.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void as_node(const json_t *value)
{
	static const struct node_state READY = { true, "ready", "Proven", "it is" };
	_cleanup_json_ json_t *patch = node_taint_patch(value, "sysbox-runtime=not-running:NoSchedule");
	const char *since;

	(void)node_has_labels(value, &READY);
	(void)node_has_condition(value, &READY, &since);
	if (patch && json_array_size(patch) != 2)
		abort();
}

static void as_lease(const json_t *value)
{
	struct lease_seen seen = { 0 };
	enum lease_verdict verdict = lease_judge(value, "us", &seen, 1000);
	_cleanup_json_ json_t *taken = lease_take(value, "berth-slot-0", "ns", "us", 1714558272, 60);
	_cleanup_json_ json_t *given = lease_give_back(value);

	if (!taken || lease_judge(taken, "us", &seen, 2000) != LEASE_OURS)
		abort();
	if (verdict == LEASE_OURS && (!given || lease_judge(given, "us", &seen, 2000) != LEASE_FREE))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *value = NULL;

	if (json_parse((const char *)data, size, "fuzz", &value, NULL) < 0)
		return 0;
	as_node(value);
	as_lease(value);
	return 0;
}
