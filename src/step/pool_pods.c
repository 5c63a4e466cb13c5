#include "step/pool_pods.h"

#include "base/strbuf.h"
#include "change/engine_restart.h"
#include "engine/crio.h"
#include "step/containerd_find.h"
#include "step/layout.h"
#include "step/pool_part.h"

/* In the order in which they stop; each starts in the other. */
static const struct user {
	const char *unit, *dropin;
	struct pool_part part;
	bool (*wanted)(const struct spec *spec);
} USERS[] = {
	{ "kubelet.service", UNIT_DIR "/kubelet.service.d/" DROPIN,
	  { KUBELET_DATA, POOL_DIR "/kubelet", "var-lib-kubelet.mount", "kubelet.service", 0750 }, spec_has_pods },
	{ "containerd.service", UNIT_DIR "/containerd.service.d/" DROPIN,
	  { CONTAINERD_DATA, POOL_DIR "/containerd", "var-lib-containerd.mount", "containerd.service", 0711 },
	  spec_has_containerd },
	{ CRIO_UNIT, UNIT_DIR "/" CRIO_UNIT ".d/" DROPIN,
	  { CRIO_DATA, POOL_DIR "/containers", "var-lib-containers.mount", CRIO_UNIT, 0700 }, spec_has_crio },
};

static bool is_wanted(const struct user *user, const struct spec *spec)
{
	return spec->pool.pods && user->wanted(spec);
}

static bool is_there(const struct mount_table *mounts, const struct pool_part *part)
{
	const struct mount_entry *pool = mount_table_at(mounts, POOL_DIR);
	const struct mount_entry *m = mount_table_at(mounts, part->place);

	return pool && m && mount_same_fs(m, pool);
}

const char *pool_pods_missing(const struct mount_table *mounts, const struct spec *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(USERS); i++) {
		if (is_wanted(&USERS[i], spec) && !is_there(mounts, &USERS[i].part))
			return USERS[i].part.place;
	}
	return NULL;
}

/* Containers that run now, whichever engine has them: all write into kubelet's folder. -1: one does not tell. */
static ssize_t containers(struct step_context *ctx, const char *containerd_socket)
{
	const struct cri_engine engines[] = {
		{ "containerd.service", containerd_socket },
		{ CRIO_UNIT, CRIO_SOCKET },
	};
	ssize_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		_cleanup_(cri_pods_release) struct cri_pods pods = CRI_PODS_INIT;
		int r = engine_pods(&ctx->change, &engines[i], &pods, NULL);

		/* Docker's own containerd serves no kubelet, and Docker stops by itself where its data moves. */
		if (r < 0 && r != -EOPNOTSUPP)
			return -1;
		for (size_t j = 0; j < pods.container_count; j++)
			n += pods.containers[j].running;
	}
	return n;
}

/* The unit of a kubelet that keeps its folder, or its engine's storage, in another way; NULL: none. */
static const char *another_kubelet(struct step_context *ctx)
{
	static const char *const UNITS[] = {
		"snap.kubelet-eks.daemon.service", "snap.kubelet.daemon.service", "snap.microk8s.daemon-kubelite.service",
		"k3s.service", "k3s-agent.service", "rke2-server.service", "rke2-agent.service", "k0sworker.service",
		"k0scontroller.service",
	};

	for (size_t i = 0; i < ARRAY_SIZE(UNITS); i++) {
		const struct unit_state *u;

		if (context_unit(&ctx->change, UNITS[i], &u, NULL) == 0 && unit_is(u->load, "loaded"))
			return UNITS[i];
	}
	return NULL;
}

/* Another folder than the one that can be bound onto the pool would stay where it is, and an empty one be bound. */
static bool check_root(const struct step_context *ctx, const struct containerd_found *found, struct report *report)
{
	if (!spec_has_containerd(ctx->spec) || !found->root || strcmp(found->root, CONTAINERD_DATA) == 0)
		return true;
	report_add(report, "pool.pods", CHECK_FAIL, "set root = \"" CONTAINERD_DATA "\" there with the node drained, or "
		   "pool.pods: false", "containerd keeps its data in '%.200s' (root, of its unit or of '%s'), and only "
		   CONTAINERD_DATA " can be on the pool", found->root, found->config);
	return false;
}

void pool_pods_check(struct step_context *ctx, struct report *report)
{
	static const char REMEDY[] = "do it before the node joins its cluster (in its user data), or drain it, stop kubelet and "
				     "remove what still runs (crictl rmp --all --force); or set pool.pods: false";
	_cleanup_(containerd_found_release) struct containerd_found found = CONTAINERD_FOUND_INIT;
	const char *another;
	ssize_t n;

	/* What is wrong with its settings is told where they are checked. */
	if (!ctx->spec->pool.pods || containerd_find(ctx, &found, NULL) < 0 || !check_root(ctx, &found, report) ||
	    !pool_pods_missing(&ctx->facts.mounts, ctx->spec))
		return;
	another = another_kubelet(ctx);
	n = host_is_rooted(ctx->host) ? 0 : containers(ctx, found.socket ? found.socket : CONTAINERD_SOCKET);
	if (another)
		report_add(report, "pool.pods", CHECK_FAIL, "set pool.pods: false", "%s is here: only what kubelet.service and "
			   "the units of containerd and CRI-O keep can be moved onto the pool", another);
	else if (n < 0)
		report_add(report, "pool.pods", CHECK_FAIL, REMEDY, "the engine does not say what runs, and its storage is to "
			   "move onto the pool");
	else if (n > 0)
		report_add(report, "pool.pods", CHECK_FAIL, REMEDY, "%zd containers run, and the engine's storage cannot be "
			   "moved onto the pool under them", n);
}

static int plan_stops(struct step_context *ctx, struct plan *plan, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(USERS); i++) {
		const struct unit_state *u;

		r = context_unit(&ctx->change, USERS[i].unit, &u, err);
		if (r == 0 && unit_is_active(u) && is_wanted(&USERS[i], ctx->spec))
			r = plan_add(plan, &ctx->change, &change_stop, USERS[i].unit, json_object(), USERS[i].unit,
				     "what it keeps moves onto the pool", err);
	}
	return r;
}

static int plan_dropin(struct step_context *ctx, struct plan *plan, const struct user *user, struct error *err)
{
	_cleanup_free_ char *text = xasprintf("# Written by berth: it starts with its part of the pool, never on the root disk.\n"
					      "[Unit]\n"
					      "Requires=%s\n"
					      "After=%s\n"
					      "AssertPathIsMountPoint=%s\n",
					      user->part.mount, user->part.mount, user->part.place);

	return text ? plan_file(plan, &ctx->change, user->dropin, text, 0644, NULL, err) :
		      error_errno(err, ENOMEM, "plan '%s'", user->dropin);
}

int pool_pods_plan(struct step_context *ctx, struct plan *plan, uint64_t *room, struct error *err)
{
	int r = 0;

	if (pool_pods_missing(&ctx->facts.mounts, ctx->spec))
		r = plan_stops(ctx, plan, err);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(USERS); i++) {
		if (!is_wanted(&USERS[i], ctx->spec))
			continue;
		r = plan_dropin(ctx, plan, &USERS[i], err);
		if (r >= 0)
			r = pool_part_plan(ctx, plan, &USERS[i].part, room, err);
	}
	/* The kubelet last: it wants its engine. */
	for (size_t i = ARRAY_SIZE(USERS); r >= 0 && i > 0; i--) {
		const char *unit = USERS[i - 1].unit;

		if (plan_find(plan, &change_stop, unit))
			r = plan_add(plan, &ctx->change, &change_start, unit, json_pack("{s:b}", "again", 1), NULL, NULL,
				     err);
	}
	return r;
}
