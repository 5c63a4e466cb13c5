#include "agent/kube.h"

#include <ctype.h>
#include <time.h>

#include "agent/api_pace.h"
#include "agent/kube_ask.h"
#include "agent/repair.h"
#include "agent/say.h"
#include "agent/slots.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/timestamp.h"
#include "kube/object.h"
#include "step/layout.h"

#define REFRESH_MS     (30 * 60 * 1000)
#define SOON_MS	       500   /* changes that come together are told together */
#define ROUND_MS       5000  /* between the beginnings of two rounds */
#define START_MS       5000  /* after a mass restart: on the average */
#define CHANGED_MS     1000  /* until a node that changed under us is looked at again */
#define UNREACHABLE_MS 30000 /* until it counts as a fault */
#define HANDLER_MS     10000 /* until the kubelet has told of a new handler, and the node is asked again: doubled... */
#define HANDLER_MAX_MS (10 * 60 * 1000) /* ...up to that, where it never does */
#define EVENT_MS       60000 /* between two writes about one reason */
#define EVENTS_MAX     32
#define MESSAGE_MAX    512

struct pending_event {
	char reason[64], note[MESSAGE_MAX];
	bool warning;
	unsigned count;	 /* observed */
	unsigned told;	 /* of these */
	uint64_t due;	 /* of the next write */
};

enum stage { STAGE_IDLE, STAGE_NODE, STAGE_LABELS, STAGE_CONDITION, STAGE_TAINT, STAGE_EVENT };

/* What there is to tell of an agent. */
struct said {
	const char *state; /* NULL: nothing was */
	bool ready;
	char reason[64], message[MESSAGE_MAX];
};

struct kube {
	struct kube_client client;
	struct kube_counts counts;
	struct event *timer;
	uint64_t due; /* of the timer; 0: not armed */
	enum stage stage;
	unsigned told; /* stages of this round, as bits: each is tried once */
	uint64_t begun; /* the last round */
	json_t *node;
	struct said read, said; /* the state as the last round found it, and as it tells it */
	struct node_state state; /* what is being told; its texts are in `said` */
	struct pending_event events[EVENTS_MAX], *event; /* the one being told */
	size_t events_len;
	unsigned unheard;	/* readings in a row that lacked the handler, though the node has it */
	struct api_pace pace;
};

static void take(struct agent *agent, const struct kube_answer *answer);

/* ---- requests ---- */

static void arm(struct kube *kube, uint64_t ms)
{
	uint64_t due = monotonic_ms() + ms;

	if (kube->due && kube->due <= due)
		return;
	kube->due = due;
	agent_arm(kube->timer, ms);
}

static void failed(struct agent *agent, long status, uint64_t retry_ms, const char *why)
{
	struct kube *kube = agent->kube;
	uint64_t now = monotonic_ms(), pause = api_pace_failed(&kube->pace, status, retry_ms, now);

	if (kube->pace.failures == 1)
		say(SAY_WARN, "the API server was not told", "why", why);
	if (now - kube->pace.failing_since >= UNREACHABLE_MS)
		agent_set_fault(agent, FAULT_API_UNREACHABLE, true, why, kube->pace.failing_since);
	kube->stage = STAGE_IDLE;
	kube->due = 0;
	arm(kube, agent_jittered(pause));
}

static void answered(struct agent *agent)
{
	if (api_pace_answered(&agent->kube->pace)) {
		say(SAY_INFO, "the API server answers");
		slots_hurry(agent);
	}
	agent_set_fault(agent, FAULT_API_UNREACHABLE, false, "", 0);
}

/* An Event that was made before us (409), has expired (404), or is refused for good: it is not worth a second try. */
static bool is_event_answer(const struct kube *kube, long status)
{
	return kube->stage == STAGE_EVENT && status < 500 && status != 401 && status != 429;
}

static void on_answer(void *userdata, const struct kube_answer *answer)
{
	struct agent *agent = userdata;
	struct kube *kube = agent->kube;

	/* Changed under us: look at the node again. */
	if ((answer->status == 409 && kube->stage != STAGE_EVENT) ||
	    (answer->status == 422 && kube->stage == STAGE_TAINT)) {
		answered(agent);
		kube->stage = STAGE_IDLE;
		arm(kube, agent_jittered(CHANGED_MS));
		return;
	}
	if (!answer->status || (answer->status >= 400 && !is_event_answer(kube, answer->status))) {
		failed(agent, answer->status, answer->retry_ms, answer->why);
		return;
	}
	answered(agent);
	take(agent, answer);
}

static void ask(struct agent *agent, const char *method, char *path, const char *type, json_t *body)
{
	struct error err = ERROR_INIT;

	if (kube_ask(&agent->kube->client, method, path, type, body, on_answer, agent, &err) < 0)
		failed(agent, 0, 0, err.message);
}

/* ---- the node ---- */

static char *node_path(const struct agent *agent, const char *behind)
{
	return xasprintf("/api/v1/nodes/%s%s", agent->options->node_name, behind);
}

/* The first fault that spoils it is the reason: "docker-dead" as "DockerDead". */
static void camel(const char *name, char ret[static 64])
{
	bool up = true;
	size_t n = 0;

	for (; *name && n < 63; name++) {
		if (*name == '-') {
			up = true;
			continue;
		}
		ret[n] = *name;
		if (up)
			ret[n] = (char)toupper((unsigned char)*name);
		n++;
		up = false;
	}
	ret[n] = '\0';
}

static void read_state(const struct agent *agent, struct said *ret)
{
	const struct fault *stranded = &agent->faults.items[FAULT_SANDBOXES_NEED_RESTART];

	ret->ready = agent_is_ready(agent);
	ret->state = ret->ready ? "ready" : agent->made ? "degraded" : "installing";
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s", ret->ready ? "Proven" :
			agent->withdrawn ? "Uninstalled" : agent->made ? "NotProven" : "Installing");
	(void)snprintf(ret->message, sizeof(ret->message), "%s", ret->ready ?
			"this node is a proven sandbox host" : "this node is not proven a sandbox host");
	if (ret->ready && stranded->active)
		(void)snprintf(ret->message, sizeof(ret->message), "this node is a proven sandbox host; %s: %s",
			       fault_rules[FAULT_SANDBOXES_NEED_RESTART].what, stranded->detail);
	for (int i = 0; i < FAULT_COUNT && !ret->ready; i++) {
		const struct fault *f = &agent->faults.items[i];

		if (!f->active || !fault_rules[i].spoils)
			continue;
		camel(fault_rules[i].name, ret->reason);
		(void)snprintf(ret->message, sizeof(ret->message), "%s: %s", fault_rules[i].what, f->detail);
		return;
	}
}

/* Has it changed since the last round began? */
static bool has_news(const struct agent *agent)
{
	const struct said *read = &agent->kube->read;
	struct said now;

	read_state(agent, &now);
	return !read->state || now.ready != read->ready || strcmp(now.state, read->state) != 0 ||
	       strcmp(now.reason, read->reason) != 0 || strcmp(now.message, read->message) != 0;
}

static void tell_condition(struct agent *agent)
{
	struct kube *kube = agent->kube;
	char now[TIMESTAMP_MAX];
	const char *since;

	(void)timestamp_format(time(NULL), now);
	(void)node_has_condition(kube->node, &kube->state, &since);
	ask(agent, "PATCH", node_path(agent, "/status?fieldManager=" KUBE_MANAGER "&force=true"), KUBE_APPLY,
	    node_condition_patch(agent->options->node_name, &kube->state, since ? since : now, now));
}

/* ---- events ---- */

static struct pending_event *due_event(struct kube *kube)
{
	uint64_t now = monotonic_ms();

	for (size_t i = 0; i < kube->events_len; i++) {
		if (kube->events[i].told < kube->events[i].count && kube->events[i].due <= now)
			return &kube->events[i];
	}
	return NULL;
}

static void tell_event(struct agent *agent)
{
	struct kube *kube = agent->kube;
	struct pending_event *e = kube->event;
	const char *uid = json_get_string(json_object_get(kube->node, "metadata"), "uid");
	_cleanup_free_ char *name = event_name(agent->options->node_name, e->reason);
	_cleanup_free_ char *micro = kube_micro_time(time(NULL));

	if (e->told == 0)
		ask(agent, "POST", strdup("/apis/events.k8s.io/v1/namespaces/default/events"), KUBE_JSON,
		    event_create(agent->options->node_name, uid, e->reason, e->note, e->warning, micro));
	else
		ask(agent, "PATCH",
		    name ? xasprintf("/apis/events.k8s.io/v1/namespaces/default/events/%s", name) : NULL, KUBE_MERGE,
		    event_series_patch(e->count, micro));
}

void kube_event(struct agent *agent, const char *reason, const char *note, bool warning)
{
	struct kube *kube = agent->kube;
	struct pending_event *e = NULL;
	char name[64];

	if (!kube)
		return;
	camel(reason, name);
	for (size_t i = 0; i < kube->events_len && !e; i++) {
		if (strcmp(kube->events[i].reason, name) == 0)
			e = &kube->events[i];
	}
	if (!e && kube->events_len == EVENTS_MAX)
		return;
	if (!e) {
		e = &kube->events[kube->events_len++];
		*e = (struct pending_event){ .due = 0 };
		(void)snprintf(e->reason, sizeof(e->reason), "%s", name);
	}
	(void)snprintf(e->note, sizeof(e->note), "%s", note);
	e->warning = warning;
	e->count++;
	kube_tell(agent);
}

/* ---- one thing after the other ---- */

static void begin(struct agent *agent, enum stage stage)
{
	struct kube *kube = agent->kube;

	kube->stage = stage;
	kube->told |= 1U << stage;
	switch (stage) {
	case STAGE_NODE:
		ask(agent, "GET", node_path(agent, ""), NULL, NULL);
		return;
	case STAGE_LABELS:
		ask(agent, "PATCH", node_path(agent, "?fieldManager=" KUBE_MANAGER "&force=true"), KUBE_APPLY,
		    node_labels_patch(agent->options->node_name, &kube->state));
		return;
	case STAGE_CONDITION:
		tell_condition(agent);
		return;
	case STAGE_TAINT:
		ask(agent, "PATCH", node_path(agent, ""), KUBE_PATCH,
		    node_taint_patch(kube->node, agent->spec.kubernetes.startup_taint));
		return;
	case STAGE_EVENT:
		tell_event(agent);
		return;
	case STAGE_IDLE:
		return;
	}
}

/* When the next round may begin, in ms: not much sooner than the last one has. */
static uint64_t next_round(const struct kube *kube)
{
	uint64_t since = monotonic_ms() - kube->begun;

	return since + SOON_MS < ROUND_MS ? ROUND_MS - since : SOON_MS;
}

/* How long until something is due, in ms: what has changed, an Event that was told lately, or a reading. */
static uint64_t until_due(const struct agent *agent)
{
	const struct kube *kube = agent->kube;
	uint64_t now = monotonic_ms(), soon = next_round(kube);
	uint64_t wait = agent_jittered(kube->unheard ? backoff(HANDLER_MS, kube->unheard - 1, HANDLER_MAX_MS) : REFRESH_MS);

	if (has_news(agent))
		return soon;
	for (size_t i = 0; i < kube->events_len; i++) {
		const struct pending_event *e = &kube->events[i];

		if (e->told < e->count)
			wait = MIN_OF(wait, MAX_OF(soon, e->due > now ? e->due - now : 0));
	}
	return wait;
}

/*
 * The next thing that the node as it was read does not say yet. What it does not say though it was told (a
 * label that somebody else owns, say) waits for the next round.
 */
static void next(struct agent *agent)
{
	struct kube *kube = agent->kube;
	_cleanup_json_ json_t *taint = NULL;
	const char *since;

	if (!(kube->told & 1U << STAGE_LABELS) && !node_has_labels(kube->node, &kube->state)) {
		begin(agent, STAGE_LABELS);
		return;
	}
	if (!(kube->told & 1U << STAGE_CONDITION) && !node_has_condition(kube->node, &kube->state, &since)) {
		begin(agent, STAGE_CONDITION);
		return;
	}
	if (kube->state.ready && !(kube->told & 1U << STAGE_TAINT))
		taint = node_taint_patch(kube->node, agent->spec.kubernetes.startup_taint);
	if (taint) {
		begin(agent, STAGE_TAINT);
		return;
	}
	kube->event = due_event(kube);
	if (kube->event) {
		begin(agent, STAGE_EVENT);
		return;
	}
	kube->stage = STAGE_IDLE;
	arm(kube, until_due(agent));
}

/*
 * A node is a host for pods when its kubelet tells so itself: a handler that it does not name gets no pod, whatever
 * containerd says.
 */
static void judge_handler(struct agent *agent)
{
	struct kube *kube = agent->kube;

	if (!kube->state.ready || !spec_has_pods(&agent->spec) || node_has_handler(kube->node, RUNTIME_NAME)) {
		kube->unheard = 0;
		return;
	}
	kube->unheard++;
	kube->state.ready = false;
	kube->state.state = "installing";
	(void)snprintf(kube->said.reason, sizeof(kube->said.reason), "HandlerNotTold");
	(void)snprintf(kube->said.message, sizeof(kube->said.message),
		       "the node's status.runtimeHandlers does not name " RUNTIME_NAME " yet: its kubelet takes that over "
		       "from its engine within seconds");
}

/* An answer that is fine. A node's is the node as it is now. */
static void take(struct agent *agent, const struct kube_answer *answer)
{
	struct kube *kube = agent->kube;
	struct pending_event *e = kube->event;

	if (kube->stage == STAGE_EVENT && e) {
		e->told = answer->status == 404 ? 0 : e->count; /* expired: made anew the next time */
		if (answer->status == 409) { /* of an agent before us: a series of it, the next time */
			e->told = 1;
			e->count = MAX_OF(e->count, 2U);
		}
		e->due = monotonic_ms() + EVENT_MS;
		kube->event = NULL;
		next(agent);
		return;
	}
	if (!json_object_get(answer->body, "metadata")) {
		failed(agent, 0, 0, "the API server's answer is no node");
		return;
	}
	json_decref(kube->node);
	kube->node = json_incref(answer->body);
	if (kube->stage == STAGE_NODE)
		judge_handler(agent);
	next(agent);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;
	struct kube *kube = agent->kube;

	(void)fd;
	(void)what;
	kube->due = 0;
	if (kube->stage != STAGE_IDLE)
		return; /* its end looks for news */
	read_state(agent, &kube->read);
	kube->said = kube->read;
	kube->state = (struct node_state){ .ready = kube->said.ready, .state = kube->said.state,
					   .reason = kube->said.reason, .message = kube->said.message };
	kube->told = 0;
	kube->begun = monotonic_ms();
	begin(agent, STAGE_NODE);
}

void kube_tell(struct agent *agent)
{
	struct kube *kube = agent->kube;

	/* A round's end, and a failure's next try, look for news by themselves. */
	if (kube && kube->stage == STAGE_IDLE && !kube->pace.failures)
		arm(kube, until_due(agent));
}

void kube_look_again(struct agent *agent)
{
	if (agent->kube)
		agent->kube->read.state = NULL;
	kube_tell(agent);
}

int kube_open_client(struct agent *agent, struct kube_client *ret, struct error *err)
{
	const char *folder = agent->options->kube_folder;
	int r = kube_access_open(agent->spec.kubernetes.server,
				 folder ? folder : agent->spec.kubernetes.credentials, &ret->access, err);

	ret->counts = &agent->kube->counts;
	return r < 0 ? r : http_loop_new(agent->base, &ret->loop, err);
}

int kube_open(struct agent *agent, struct error *err)
{
	struct kube *kube;
	int r;

	if (!agent->options->node_name)
		return 0;
	kube = calloc(1, sizeof(*kube));
	if (!kube)
		return error_errno(err, ENOMEM, "reach the API server");
	agent->kube = kube;
	kube->timer = evtimer_new(agent->base, on_timer, agent);
	r = kube_open_client(agent, &kube->client, err);
	if (r == 0 && !kube->timer)
		r = error_errno(err, ENOMEM, "reach the API server");
	if (r == 0)
		arm(kube, agent_spread(START_MS));
	return r;
}

void kube_close(struct agent *agent)
{
	struct kube *kube = agent->kube;

	if (!kube)
		return;
	if (kube->timer)
		event_free(kube->timer);
	slots_close(agent);
	kube_client_release(&kube->client);
	json_decref(kube->node);
	free(kube);
	agent->kube = NULL;
}

void kube_metrics(const struct agent *agent, struct strbuf *out)
{
	if (agent->kube)
		kube_counts_write(&agent->kube->counts, agent->kube->pace.failures == 0, out);
}
