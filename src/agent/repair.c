/* What is wrong, what is done about it, and what became of that. */
#include "agent/repair.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "agent/docker_watch.h"
#include "agent/kube.h"
#include "agent/say.h"
#include "agent/slots.h"
#include "agent/watch.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "change/masked.h"
#include "node/exit_code.h"
#include "node/journal.h"
#include "sandbox/record.h"
#include "step/layout.h"
#include "sys/pidfd.h"

#define HUNG_MS	 60000 /* dockerd has not answered for so long */
#define STARTING_MS (10 * 60 * 1000) /* one that has not answered yet: it has many containers to look at */
#define BUSY_MS	 5000  /* until a run that found another berth at work is tried again */
#define AGAIN_MS 60000 /* until an installation that failed is tried again: doubled each time... */
#define AGAIN_MAX_MS (10 * 60 * 1000) /* ...up to this */
#define AFTER_MS 1000  /* until a second look at what a repair has left */
#define FIRST_MS 200   /* a file is looked at when the one who writes it has come to an end */

bool agent_is_ready(const struct agent *agent)
{
	return agent->proven && !agent->withdrawn && !faults_spoil(&agent->faults);
}

/* ---- faults, and what is said of them ---- */

static void tell(struct agent *agent, enum fault_id id, enum fault_news news)
{
	const struct fault_rule *rule = &fault_rules[id];
	const struct fault *f = &agent->faults.items[id];
	char seconds[24] = "", reason[64];

	switch (news) {
	case FAULT_NO_NEWS:
		return;
	case FAULT_SEEN:
	case FAULT_OTHERWISE:
		say(SAY_WARN, rule->what, "fault", rule->name, "detail", f->detail);
		break;
	case FAULT_GONE:
		(void)snprintf(seconds, sizeof(seconds), "%.3f", (double)(f->gone - f->since) / 1000);
		say(SAY_INFO, "repaired", "fault", rule->name, "seconds", seconds);
		break;
	case FAULT_GAVE_UP:
		say(SAY_ERROR, "left to people", "fault", rule->name, "what", rule->what, "detail", f->detail,
		    "remedy", rule->remedy);
		break;
	}
	/* That the API server does not answer is nothing to tell it. */
	if (id == FAULT_API_UNREACHABLE)
		return;
	(void)snprintf(reason, sizeof(reason), "%s%s", rule->name, news == FAULT_GONE ? "-repaired" : "");
	kube_event(agent, reason, news == FAULT_GONE ? "it is gone" : f->detail, news != FAULT_GONE);
}

void agent_set_fault(struct agent *agent, enum fault_id id, bool is, const char *detail,
		     uint64_t since)
{
	uint64_t now = monotonic_ms();

	tell(agent, id, is ? fault_is(&agent->faults, id, detail, since, now) :
			     fault_is_not(&agent->faults, id, now));
}

/* ---- looking ---- */

/*
 * A restart of Sysbox, or of a sandbox: which of them have lost their Sysbox? Docker tells when one goes; of a pod its
 * mounts do, so once there are any they are counted at each look.
 */
static void look_at_sandboxes(struct agent *agent)
{
	uint64_t mgr = record_mgr();
	char names[FAULT_DETAIL_MAX], detail[FAULT_DETAIL_MAX];
	unsigned count;

	if (!docker_watch_take(agent) && mgr == agent->mgr && !agent->faults.items[FAULT_SANDBOXES_NEED_RESTART].active)
		return;
	agent->mgr = mgr;
	count = look_stranded(&agent->host, names);
	(void)snprintf(detail, sizeof(detail), "%u: %.200s", count, names);
	agent_set_fault(agent, FAULT_SANDBOXES_NEED_RESTART, count > 0, detail, monotonic_ms());
}

/* A convergence stops and starts what it changes: that is no fault, while it is at work. */
static bool is_our_doing(const struct agent *agent, enum fault_id id)
{
	return worker_is_busy(&agent->worker) && (agent->task == TASK_CONVERGE || agent->task == TASK_CONVERGE_QUICK) &&
	       fault_rules[id].repair == REPAIR_START && !agent->faults.items[id].active;
}

/* What a plan left for a mask is told like what a look finds, as long as it is masked. */
static void look_at_masks(struct agent *agent)
{
	struct sight *sight = &agent->sight;

	if (!agent->masked[0] || sight->is[FAULT_UNIT_MASKED])
		return;
	sight->is[FAULT_UNIT_MASKED] = masked_is(&agent->host, agent->masked);
	if (sight->is[FAULT_UNIT_MASKED])
		(void)snprintf(sight->detail[FAULT_UNIT_MASKED], FAULT_DETAIL_MAX, "%.200s is masked", agent->masked);
	else
		agent->masked[0] = '\0';
}

void agent_look_now(struct agent *agent, uint64_t since)
{
	static const enum fault_id LOOKED_FOR[] = {
		FAULT_DOCKER_DEAD,    FAULT_DOCKER_HUNG, FAULT_CONTAINERD_DEAD, FAULT_SYSBOX_DEAD,
		FAULT_SYSBOX_HUNG,    FAULT_POOL_BROKEN, FAULT_POOL_UNMOUNTED,	FAULT_QUOTA_OFF,
		FAULT_BACKING_FULL,   FAULT_UNIT_MASKED,
	};
	struct sight *sight = &agent->sight;
	bool was_masked = agent->faults.items[FAULT_UNIT_MASKED].active;
	uint64_t silence;

	if (agent->withdrawn)
		return;
	silence = docker_watch_silence(agent);
	look(&agent->host, &agent->spec, &agent->places, sight);
	look_at_masks(agent);
	watch_daemons(agent);
	if (sight->pids[DAEMON_DOCKER])
		docker_watch_listen(agent);
	if (sight->pids[DAEMON_DOCKER] && !sight->is[FAULT_DOCKER_HUNG] &&
	    silence >= (docker_watch_answers(agent) ? HUNG_MS : STARTING_MS)) {
		sight->is[FAULT_DOCKER_HUNG] = true;
		(void)snprintf(sight->detail[FAULT_DOCKER_HUNG], FAULT_DETAIL_MAX,
			       "no answer for %" PRIu64 " s", silence / 1000);
	}
	/* It is back when it answers. */
	if (agent->faults.items[FAULT_DOCKER_DEAD].active && !sight->is[FAULT_DOCKER_DEAD] &&
	    !docker_watch_answers(agent)) {
		sight->is[FAULT_DOCKER_DEAD] = true;
		(void)snprintf(sight->detail[FAULT_DOCKER_DEAD], FAULT_DETAIL_MAX, "dockerd is not up yet");
	}
	/* Before it is a sandbox host, nothing is missing. */
	if (!agent->made)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(LOOKED_FOR); i++) {
		enum fault_id id = LOOKED_FOR[i];

		if (!is_our_doing(agent, id))
			agent_set_fault(agent, id, sight->is[id], sight->detail[id], since);
	}
	look_at_sandboxes(agent);
	/* Somebody has thought better of it: what was left is to be done. */
	if (was_masked && !sight->is[FAULT_UNIT_MASKED])
		agent_arm(agent->recheck_timer, BUSY_MS);
}

/* ---- repairing ---- */

/* The unit of a fault that is repaired by starting one. */
static const char *unit_of(enum fault_id id)
{
	return id == FAULT_SYSBOX_DEAD ? SYSBOX_SERVICE : "docker.service";
}

static void run_worker(struct agent *agent, enum fault_id id, enum worker_task task)
{
	struct worker_order order = {
		.task = agent->spec.agent.repair ? task : TASK_PLAN,
		.unit = unit_of(id),
		.config = agent->options->config,
		.repair = agent->made,
		.interrupts = slot_is_held(agent),
	};
	struct error err = ERROR_INIT;

	agent->repairing = id;
	agent->task = order.task;
	if (worker_start(&agent->worker, &order, &err) < 0)
		say(SAY_ERROR, "a repair cannot be started", "why", err.message);
}

/* As a service: another berth was put in our file's place, and shall do our work. */
static bool was_replaced(struct agent *agent)
{
	/* One that is only gone is put back by a repair, like any other file. */
	if (!replaced_is_deleted() || !replaced_by_other(&agent->host, "/proc/self/exe", &agent->replaced))
		return false;
	say(SAY_INFO, "another berth is here: it takes over");
	(void)event_base_loopbreak(agent->base);
	return true;
}

/* Nothing on this host is ours to mind any more, nor is it looked at. */
static void withdraw(struct agent *agent)
{
	say(SAY_WARN, "berth was uninstalled on this host: nothing is repaired until SIGHUP or a new start");
	agent->withdrawn = true;
	agent->drift_since = 0;
	agent->masked[0] = '\0';
	faults_drop(&agent->faults);
	memset(&agent->sight, 0, sizeof(agent->sight));
	watch_daemons(agent);
	slot_give_back(agent);
	kube_tell(agent);
}

/* Uninstalled beneath us: the journal that was there is not there any more. */
static bool must_not_touch(struct agent *agent)
{
	bool gone = agent->made && (agent->uninstalled || !host_exists(&agent->host, JOURNAL_FILE));

	if (was_replaced(agent))
		return true;
	if (gone && !agent->withdrawn)
		withdraw(agent);
	if (!gone && agent->withdrawn) {
		agent->withdrawn = false;
		kube_tell(agent);
	}
	return gone;
}

/* The daemon that the fault is about: of the two the one that is stopped, else the one that is asked. */
static pid_t daemon_of(const struct agent *agent, enum fault_id id)
{
	const pid_t *pids = agent->sight.pids;
	pid_t asked = pids[id == FAULT_DOCKER_HUNG ? DAEMON_DOCKER : DAEMON_SYSBOX_FS];
	pid_t other = pids[id == FAULT_DOCKER_HUNG ? DAEMON_CONTAINERD : DAEMON_SYSBOX_MGR];

	return process_is_stopped(other) ? other : asked;
}

static void send_signal(struct agent *agent, enum fault_id id, int number)
{
	pid_t pid = daemon_of(agent, id);
	int fd = pid ? pidfd_open_process(pid) : -ESRCH;
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	if (fd >= 0 && pidfd_kill(fd, number) == 0)
		say(SAY_INFO, number == SIGCONT ? "a stopped daemon goes on" : "a daemon that hangs is killed", "audit",
		    "signal", "fault", fault_rules[id].name, "pid", text);
	(void)fd_close(fd);
	agent_look_in(agent, number == SIGCONT ? 50 : 200);
}

/* As its settings say, which berth keeps: else its next start ends what runs. */
static bool has_live_restore(const struct agent *agent)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *settings = NULL;
	size_t len = 0;

	return host_read(&agent->host, DAEMON_JSON, FILE_CAP_DEFAULT, &text, &len) == 0 &&
	       json_parse(text, len, DAEMON_JSON, &settings, NULL) == 0 && json_get_bool(settings, "live-restore", false);
}

static void repair(struct agent *agent, enum fault_id id)
{
	fault_try(&agent->faults, id, monotonic_ms());
	/* The short way first; what it does not repair, a plan may. */
	if (fault_rules[id].repair == REPAIR_START || fault_rules[id].repair == REPAIR_CONVERGE) {
		run_worker(agent, id, fault_rules[id].repair == REPAIR_START && agent->faults.items[id].tries == 1 ?
					      TASK_START : TASK_CONVERGE_QUICK);
		return;
	}
	if (fault_rules[id].repair == REPAIR_EVICT) {
		run_worker(agent, id, TASK_EVICT);
		return;
	}
	/* One that somebody has stopped may go on; only one that is awake and silent is killed. */
	if (fault_rules[id].repair == REPAIR_RESUME || process_is_stopped(daemon_of(agent, id)))
		send_signal(agent, id, SIGCONT);
	else if (has_live_restore(agent))
		send_signal(agent, id, SIGKILL);
	else
		tell(agent, id, fault_failed(&agent->faults, id, true, "without live-restore its containers would end"));
}

void agent_repair_next(struct agent *agent)
{
	uint64_t wait;
	enum fault_id id = fault_due(&agent->faults, monotonic_ms(), &wait);

	if (worker_is_busy(&agent->worker) || must_not_touch(agent))
		return;
	if (id != FAULT_COUNT && agent->spec.agent.repair)
		repair(agent, id);
	else if (id == FAULT_COUNT && wait != UINT64_MAX)
		agent_arm(agent->repair_timer, wait + 1);
}

/* ---- drift ---- */

/* Something else may write that file, again and again: then it is left to people, after a while. */
void agent_look_at_drift(struct agent *agent)
{
	const struct fault *f = &agent->faults.items[FAULT_DRIFT];
	uint64_t now = monotonic_ms();

	if (!agent->drift_since || worker_is_busy(&agent->worker) || (f->active && !f->gave_up) || must_not_touch(agent))
		return;
	if (f->tries && f->due > now) {
		agent_look_in(agent, f->due - now);
		return;
	}
	/* Left to people: one of them may just have mended it. */
	if (f->active) {
		fault_try(&agent->faults, FAULT_DRIFT, now);
		run_worker(agent, FAULT_COUNT, TASK_CONVERGE_QUICK);
		return;
	}
	if (f->tries >= agent->faults.give_up && now - f->gone <= FAULT_CALM) {
		char detail[FAULT_DETAIL_MAX];

		(void)snprintf(detail, sizeof(detail), "%.180s is changed again and again by something on this host",
			       agent->drift_path);
		agent_set_fault(agent, FAULT_DRIFT, true, detail, agent->drift_since);
		tell(agent, FAULT_DRIFT, fault_failed(&agent->faults, FAULT_DRIFT, true, ""));
		agent->drift_since = 0;
		return;
	}
	run_worker(agent, FAULT_COUNT, TASK_CONVERGE_QUICK);
}

void agent_drift(struct agent *agent, const char *path)
{
	/* What a worker writes is no drift; what somebody else wrote meanwhile, it has seen. */
	if (worker_is_busy(&agent->worker) || !agent->made)
		return;
	if (!agent->drift_since)
		agent->drift_since = monotonic_ms();
	(void)snprintf(agent->drift_path, sizeof(agent->drift_path), "%s", path);
	agent_look_in(agent, FIRST_MS);
}

void agent_recheck(struct agent *agent)
{
	if (!worker_is_busy(&agent->worker) && !must_not_touch(agent))
		run_worker(agent, FAULT_COUNT, agent->proven ? TASK_CONVERGE_QUICK : TASK_CONVERGE);
}

void agent_slot_taken(struct agent *agent)
{
	say(SAY_INFO, "a slot of the pool is held: what waited for it is done");
	/* Sysbox itself is replaced: nothing new shall come to this node until it is proven anew. */
	if (*agent->until && agent->proven) {
		agent->proven = false;
		kube_tell(agent);
	}
	if (worker_is_busy(&agent->worker))
		agent_arm(agent->recheck_timer, BUSY_MS);
	else
		agent_recheck(agent);
}

/* ---- a worker's end ---- */

int agent_read_journal(struct agent *agent, struct error *err)
{
	_cleanup_(journal_close) struct journal journal = JOURNAL_INIT;
	int r = journal_read(&agent->host, &journal, err);

	if (r < 0)
		return r;
	/* What was taken back before this agent's time is to be made again; beneath it, is not. */
	agent->uninstalled = agent->made && journal.uninstalled;
	if (journal.len && !agent->uninstalled)
		agent->made = journal.ever_verified && !journal.uninstalled;
	return watch_files(agent, &journal, err);
}

static void take_drift(struct agent *agent, const struct worker_result *result, bool ok)
{
	uint64_t now = monotonic_ms();
	uint64_t since = agent->drift_since ? agent->drift_since : now - result->ms;
	bool was = agent->faults.items[FAULT_DRIFT].active;
	unsigned left = result->left - result->masked; /* a mask is another fault */

	/* What was changed may have been what the rest was for: a second run tells. */
	if (ok && result->left && result->changed) {
		agent_arm(agent->recheck_timer, AFTER_MS);
		return;
	}
	if (!ok || left) {
		agent_set_fault(agent, FAULT_DRIFT, agent->made,
				result->message[0] ? result->message : "changes are pending: berth plan", since);
		/* What only waits for a slot of the pool is not given up. */
		if (agent->made && !result->interrupts)
			tell(agent, FAULT_DRIFT, fault_failed(&agent->faults, FAULT_DRIFT, ok, result->message));
		return;
	}
	/* A repair of another fault makes changes too: they were that fault; and what was waited for is none. */
	if (result->changed && !was && agent->made && agent->repairing == FAULT_COUNT && !*agent->until) {
		agent_set_fault(agent, FAULT_DRIFT, true,
			  agent->drift_path[0] ? agent->drift_path : "something nobody told of", since);
		fault_try(&agent->faults, FAULT_DRIFT, now);
	}
	agent_set_fault(agent, FAULT_DRIFT, false, "", 0);
}

/* Another Sysbox is put here later: said once for each thing that it waits for. */
static void take_waits(struct agent *agent, const struct worker_result *result)
{
	if (strcmp(agent->until, result->until) == 0)
		return;
	(void)snprintf(agent->until, sizeof(agent->until), "%s", result->until);
	if (!*agent->until)
		return;
	say(SAY_INFO, "another Sysbox is put in place later", "waits", agent->until);
	kube_event(agent, "replacement-waits", agent->until, false);
}

/* A unit was started, pods were evicted, or not; the rest of the host is looked at soon. */
static void started(struct agent *agent, enum fault_id id, const struct worker_result *result)
{
	agent_look_now(agent, monotonic_ms());
	if (result->exit_code != EXIT_DONE)
		say(SAY_WARN, "a repair failed", "fault", fault_rules[id].name, "why", result->message);
	/* A disruption budget may hold for days: that is asked again, ever more slowly, and never given up. */
	if (result->exit_code != EXIT_DONE && agent->task != TASK_EVICT && agent->faults.items[id].active)
		tell(agent, id, fault_failed(&agent->faults, id, false, result->message));
	agent_arm(agent->recheck_timer, BUSY_MS);
	agent_repair_next(agent);
}

void agent_worker_done(void *userdata, const struct worker_result *result)
{
	struct agent *agent = userdata;
	enum fault_id id = agent->repairing;
	bool ok = result->exit_code == EXIT_DONE;
	struct error err = ERROR_INIT;

	agent->last_duration = result->ms;
	if (agent->task != TASK_START && agent->task != TASK_EVICT && result->exit_code != EXIT_BUSY)
		(void)snprintf(agent->masked, sizeof(agent->masked), "%s", result->masked_unit);
	if (result->exit_code == EXIT_BUSY) {
		agent->converged[CONVERGE_BUSY]++;
		agent_arm(agent->recheck_timer, BUSY_MS);
		return;
	}
	if (agent->task == TASK_START || agent->task == TASK_EVICT) {
		started(agent, id, result);
		return;
	}
	agent->proven = ok && !result->left;
	agent->converged[!ok ? CONVERGE_FAILED : result->changed ? CONVERGE_CHANGED : CONVERGE_UNCHANGED]++;
	if (ok)
		agent->last_success = time(NULL);
	else if (result->exit_code == EXIT_PENDING)
		say(SAY_WARN, "changes are pending, and agent.repair is false", "remedy", "berth plan");
	else
		say(SAY_ERROR, "the node could not be made as its settings say", "why", result->message);
	take_drift(agent, result, ok);
	take_waits(agent, result);
	agent->drift_since = 0;
	agent->drift_path[0] = '\0';
	kube_tell(agent);
	if (agent_read_journal(agent, &err) < 0)
		say(SAY_ERROR, "changes of files are not seen", "why", err.message);
	agent_look_now(agent, monotonic_ms());
	if (result->interrupts)
		slot_want(agent);
	else
		slot_give_back(agent);
	if (id != FAULT_COUNT && agent->faults.items[id].active && !result->interrupts)
		tell(agent, id, fault_failed(&agent->faults, id, result->left > 0, result->message));
	if (ok)
		agent->attempts = 0;
	else if (!agent->made)
		agent_arm(agent->recheck_timer, agent_jittered(backoff(AGAIN_MS, agent->attempts++, AGAIN_MAX_MS)));
	agent_repair_next(agent);
}

void agent_worker_change(void *userdata, const char *kind, const char *target, bool ok, const char *left)
{
	(void)userdata;
	say(left || !ok ? SAY_WARN : SAY_INFO, left ? "a change is left" : ok ? "changed" : "a change failed", "audit",
	    kind, "target", target, "why", left);
}

