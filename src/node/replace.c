#include "node/replace.h"

#include <fcntl.h>
#include <time.h>

#include "base/clock.h"
#include "node/evict.h"
#include "sandbox/running.h"
#include "step/layout.h"

#define MARK	 STATE_DIR "/replacing-sysbox"
#define PAUSE_MS 2000

static bool waits(char why[static JUDGE_WHY_MAX], const char *until)
{
	(void)snprintf(why, JUDGE_WHY_MAX, JUDGE_WAITS "%s", until);
	return false;
}

/* None of Docker's containers, stopped ones neither: theirs is the runtime that goes. */
static bool docker_is_empty(const struct node *node, char why[static JUDGE_WHY_MAX])
{
	const struct facts *facts = &node->ctx.facts;
	json_int_t there = json_get_int(facts->docker_info, "Containers", -1);
	char until[96];

	if (!facts->docker_running && !spec_has_docker(&node->spec))
		return true;
	if (there < 0)
		return waits(why, "until Docker says which containers it has");
	(void)snprintf(until, sizeof(until), "until Docker has no container any more: it has %lld", (long long)there);
	return there == 0 || waits(why, until);
}

static int sandboxes_here(const struct node *node, struct strv *ret, struct error *err)
{
	_cleanup_fd_ int pool = host_open(&node->host, POOL_DIR, O_RDONLY | O_DIRECTORY, 0);

	return pool < 0 ? error_errno(err, pool, "look into '%s'", POOL_DIR) : running_all(pool, ret, err);
}

static bool no_sandbox_loses(const struct node *node, char why[static JUDGE_WHY_MAX])
{
	_cleanup_(strv_release) struct strv ids = STRV_INIT;
	struct error ignored = ERROR_INIT;
	char until[96];

	if (sandboxes_here(node, &ids, &ignored) < 0)
		return waits(why, "until it can be told which sandboxes run");
	(void)snprintf(until, sizeof(until), "until no sandbox runs any more: %zu do", ids.len);
	return ids.len == 0 || node->spec.agent.replace_sysbox == REPLACE_SYSBOX_DRAIN || waits(why, until);
}

bool replace_may(const struct node *node, char why[static JUDGE_WHY_MAX])
{
	if (node->spec.agent.replace_sysbox == REPLACE_SYSBOX_NEVER) {
		(void)snprintf(why, JUDGE_WHY_MAX, "%s", JUDGE_REPLACED);
		return false;
	}
	if (!docker_is_empty(node, why) || !no_sandbox_loses(node, why))
		return false;
	if (*node->replace_waits)
		return waits(why, node->replace_waits);
	return node->interrupts || waits(why, JUDGE_SLOT);
}

static bool replaces(const struct plan *plan)
{
	const struct change *stop = plan_find(plan, &change_stop, SYSBOX_SERVICE);

	return stop && json_get_bool(stop->want, "replaced", false);
}

/* Asked again and again, as budgets allow; of one that nobody would make anew there is nothing to wait for. */
static int empty(struct node *node, const struct kubelet *kubelet, struct own_node *self, struct error *err)
{
	static const struct timespec PAUSE = { .tv_sec = PAUSE_MS / 1000 };
	uint64_t until = monotonic_ms() + node->spec.kubernetes.drain_timeout;

	for (;;) {
		_cleanup_(strv_release) struct strv ids = STRV_INIT;
		struct error why = ERROR_INIT;
		int r = sandboxes_here(node, &ids, err);

		if (r < 0 || !ids.len)
			return r;
		if (node->spec.agent.replace_sysbox != REPLACE_SYSBOX_DRAIN)
			return error_set(err, EBUSY, "%zu have come meanwhile", ids.len);
		r = evict_sandboxes(node, kubelet, self, &ids, &why);
		if (r == -EPERM || monotonic_ms() >= until)
			return error_set(err, EBUSY, "%zu sandboxes run%s%s", ids.len, r < 0 ? ": " : "", why.message);
		progress_activityf(&node->progress, "draining: %zu sandboxes left", ids.len);
		(void)nanosleep(&PAUSE, NULL);
	}
}

static int drain(struct node *node, struct error *err)
{
	_cleanup_(own_node_release) struct own_node self = OWN_NODE_INIT;
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	static const struct file_attrs ATTRS = { .mode = 0600 };
	int r = evict_open(node, &kubelet, &self, err);

	if (r == 0)
		return error_set(err, ENOENT, "no kubelet with a kubeconfig runs here");
	if (r > 0)
		r = host_write(&node->host, MARK, "", 0, &ATTRS, err);
	if (r == 0)
		r = own_node_cordon(&self, err);
	return r < 0 ? r : empty(node, &kubelet, &self, err);
}

void replace_begin(struct node *node, const struct plan *plan)
{
	struct error why = ERROR_INIT;

	if (!node->unasked || !node->journal.ever_verified || host_is_rooted(&node->host) || !replaces(plan) ||
	    !spec_has_pods(&node->spec))
		return;
	if (drain(node, &why) < 0)
		(void)snprintf(node->replace_waits, sizeof(node->replace_waits), "until it is drained: %.100s", why.message);
}

void replace_end(struct node *node)
{
	_cleanup_(own_node_release) struct own_node self = OWN_NODE_INIT;
	_cleanup_(kubelet_release) struct kubelet kubelet = KUBELET_INIT;
	struct error ignored = ERROR_INIT;
	int r;

	if (host_is_rooted(&node->host) || !host_exists(&node->host, MARK))
		return;
	r = evict_open(node, &kubelet, &self, &ignored);
	/* 0: taken out of its cluster meanwhile, there is nothing to uncordon. */
	if (r > 0)
		r = own_node_uncordon(&self, &ignored);
	if (r == 0)
		(void)host_remove(&node->host, MARK, &ignored);
}
