#include "node/judge.h"

#include "change/failures.h"
#include "change/manifest.h"
#include "change/masked.h"
#include "node/replace.h"
#include "step/layout.h"

typedef bool (*judge_fn)(const struct node *node, const struct plan *plan,
			 const struct change *change, char why[static JUDGE_WHY_MAX]);

static bool no(char why[static JUDGE_WHY_MAX], const char *text)
{
	(void)snprintf(why, JUDGE_WHY_MAX, "%s", text);
	return false;
}

/* Nothing that runs notices. */
static bool quiet(const struct node *node, const struct plan *plan, const struct change *change,
		  char why[static JUDGE_WHY_MAX])
{
	(void)node;
	(void)plan;
	(void)change;
	(void)why;
	return true;
}

static bool never_format(const struct node *node, const struct plan *plan,
			 const struct change *change, char why[static JUDGE_WHY_MAX])
{
	(void)node;
	(void)plan;
	(void)change;
	return no(why, "the pool of a node at work is never made anew: whatever is the matter, sandboxes' data may "
		       "still be in it");
}

static bool never_move(const struct node *node, const struct plan *plan,
		       const struct change *change, char why[static JUDGE_WHY_MAX])
{
	(void)node;
	(void)plan;
	(void)change;
	return no(why, "data is only moved when somebody asks: berth install");
}

static bool may_interrupt(const struct node *node, char why[static JUDGE_WHY_MAX])
{
	return node->interrupts || no(why, JUDGE_INTERRUPTS);
}

/*
 * One in another's place: Sysbox where the settings say so, CRI-O behind its kubelet, which is only planned on a drained
 * node. All else only when somebody asks.
 */
static bool may_replace(const struct node *node, const char *package, char why[static JUDGE_WHY_MAX])
{
	if (strcmp(package, SYSBOX_PACKAGE) == 0)
		return replace_may(node, why);
	return strcmp(package, node->spec.crio.package) == 0 ? may_interrupt(node, why) : no(why, JUDGE_REPLACED);
}

/* What is missing is installed; what is there is only replaced where that is said. */
static bool may_install(const struct node *node, const struct plan *plan,
			const struct change *change, char why[static JUDGE_WHY_MAX])
{
	static const char *const LISTS[] = { "files", "packages" };
	const json_t *item;
	size_t i;

	(void)plan;
	for (size_t list = 0; list < ARRAY_SIZE(LISTS); list++) {
		json_array_foreach (json_object_get(change->want, LISTS[list]), i, item) {
			const char *package = json_is_string(item) ? json_string_value(item) : json_get_string(item, "package");

			if (package && package_db_installed(&node->ctx.facts.packages, package) &&
			    !may_replace(node, package, why))
				return false;
		}
	}
	return true;
}

/* The same version put right, or another one as with packages. */
static bool may_unpack(const struct node *node, const struct plan *plan, const struct change *change,
		       char why[static JUDGE_WHY_MAX])
{
	const char *wanted = json_get_string(change->want, "version"), *has;
	_cleanup_json_ json_t *manifest = NULL;

	(void)plan;
	if (manifest_read(&node->host, change->target, &manifest, NULL) < 0 || !manifest)
		return true;
	has = json_get_string(manifest, "version");
	return (has && wanted && strcmp(has, wanted) == 0) || replace_may(node, why);
}

/* A masked unit is an operator's decision. */
static bool is_masked(const char *unit, char why[static JUDGE_WHY_MAX])
{
	if (!unit)
		return false;
	(void)snprintf(why, JUDGE_WHY_MAX, JUDGE_MASKED "%s", unit);
	return true;
}

static bool may_enable(const struct node *node, const struct plan *plan, const struct change *change,
		       char why[static JUDGE_WHY_MAX])
{
	(void)plan;
	return !is_masked(masked_is(&node->host, change->target) ? change->target : NULL, why);
}

/* Starting sysbox-mgr removes what is in its data directory, unless it was stashed. */
static bool may_start(const struct node *node, const struct plan *plan,
		      const struct change *change, char why[static JUDGE_WHY_MAX])
{
	if (is_masked(masked_part(&node->host, change->target), why))
		return false;
	if (strcmp(change->target, SYSBOX_SERVICE) != 0)
		return true;
	if (node->spec.agent.restart_sysbox == RESTART_SYSBOX_NEVER)
		return no(why, "agent.restart_sysbox is 'never'");
	if (host_exists(&node->host, UNIT_DIR "/sysbox-mgr.service.d/" DROPIN) ||
	    plan_find(plan, &change_file, UNIT_DIR "/sysbox-mgr.service.d/" DROPIN))
		return true;
	return no(why, "sysbox-mgr would remove sandboxes' inner data: nothing stashes it");
}

static bool may_stop(const struct node *node, const struct plan *plan,
		     const struct change *change, char why[static JUDGE_WHY_MAX])
{
	const json_t *info = node->ctx.facts.docker_info;

	(void)plan;
	if (json_get_bool(change->want, "replaced", false))
		return replace_may(node, why);
	if (strcmp(change->target, "docker.service") != 0)
		return no(why, "it would stop under sandboxes");
	/* One that still runs would not come back. */
	if (is_masked(masked_part(&node->host, change->target), why))
		return false;
	if (!node->ctx.facts.docker_running)
		return true;
	if (!info)
		return no(why, "Docker does not say what runs, so it is not stopped");
	if (json_get_int(info, "ContainersRunning", 1) + json_get_int(info, "ContainersPaused", 0) == 0)
		return true;
	if (json_get_bool(change->want, "containers", false))
		return no(why, "running containers would stop");
	if (!json_get_bool(info, "LiveRestoreEnabled", false))
		return no(why, "running containers would stop: this Docker runs without live-restore");
	return may_interrupt(node, why);
}

static bool was_tried_enough(const struct node *node, const struct change *change)
{
	unsigned tries = failures(&node->host, change->kind, change->want);

	return tries && tries >= node->spec.agent.give_up;
}

/* No pod starts meanwhile, though those that run go on; on a node that was never proven it is part of the installation. */
static bool may_restart_engine(const struct node *node, const struct plan *plan,
			       const struct change *change, char why[static JUDGE_WHY_MAX])
{
	const char *unit = change->kind == &change_crio_restart ? change->target : json_get_string(change->want, "unit");

	(void)plan;
	if (unit && is_masked(masked_part(&node->host, unit), why))
		return false;
	if (was_tried_enough(node, change))
		return no(why, "its engine was restarted for it and taken back too often: see why, and run berth install");
	return !node->journal.ever_verified || node->interrupts || no(why, JUDGE_INTERRUPTS);
}

/* Nobody has pods on a fresh node; a drain is a disruption, whether the node was ever proven or not, and so is a restart. */
static bool may_switch(const struct node *node, const struct plan *plan,
		       const struct change *change, char why[static JUDGE_WHY_MAX])
{
	(void)plan;
	if (was_tried_enough(node, change))
		return no(why, "its kubelet was moved back too often: see why, and run berth install");
	if (!json_get_bool(change->want, "drain", false) && !json_get_bool(change->want, "there", false))
		return !node->journal.ever_verified ||
		       no(why, "its kubelet is only moved when somebody asks: berth install, or crio.kubelet: drain");
	return may_interrupt(node, why);
}

bool judge_change(const struct node *node, const struct plan *plan, const struct change *change,
		  char why[static JUDGE_WHY_MAX])
{
	static const struct {
		const struct change_kind *kind;
		judge_fn judge;
		bool always; /* also of a node that was never proven, where all else is an installation */
	} TABLE[] = {
		{ &change_file, quiet },	 { &change_json, quiet },   { &change_copy, quiet },
		{ &change_sysctl, quiet },	 { &change_module, quiet }, { &change_enable, may_enable },
		{ &change_packages, may_install },	 { &change_unpack, may_unpack }, { &change_pool_dir, quiet },
		{ &change_start, may_start },	 { &change_stop, may_stop },
		{ &change_enforce, quiet },	 { &change_handler, may_restart_engine, true },
		{ &change_crio_handler, may_restart_engine, true }, { &change_crio_restart, may_restart_engine, true },
		{ &change_kubelet_switch, may_switch, true },
		{ &change_pool, never_format }, { &change_move, never_move },
	};

	why[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(TABLE); i++) {
		if (TABLE[i].kind == change->kind && (node->journal.ever_verified || TABLE[i].always))
			return TABLE[i].judge(node, plan, change, why);
	}
	return !node->journal.ever_verified || no(why, "nobody has decided whether an agent may do that");
}

/* What was not stopped is not started again. */
static bool depends(const struct change *left, const struct change *change)
{
	const char *with = json_get_string(change->want, "with");

	return left->kind == &change_stop && change->kind == &change_start &&
	       strcmp(left->target, with ? with : change->target) == 0;
}

unsigned judge_plan(const struct node *node, struct plan *plan, unsigned *ret_masked)
{
	char why[JUDGE_WHY_MAX];
	unsigned left = 0, masked = 0;

	for (size_t i = 0; i < plan->len;) {
		struct change *change = &plan->items[i];

		if (judge_change(node, plan, change, why)) {
			i++;
			continue;
		}
		left++;
		masked += strncmp(why, JUDGE_MASKED, strlen(JUDGE_MASKED)) == 0;
		if (node->observer.left)
			node->observer.left(node->observer.userdata, change, why);
		for (size_t j = plan->len; j-- > i + 1;) {
			if (depends(change, &plan->items[j]))
				plan_remove(plan, j);
		}
		plan_remove(plan, i);
	}
	*ret_masked = masked;
	return left;
}
