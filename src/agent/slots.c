#include "agent/slots.h"

#include <time.h>

#include "agent/kube.h"
#include "agent/kube_ask.h"
#include "agent/repair.h"
#include "agent/say.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "kube/object.h"

#define LEASE_S		 600 /* of an agent that died with it */
#define RENEW_MS	 (LEASE_S * 1000 / 3)
#define MARGIN_MS	 60000 /* before its end, others may think that it has come */
#define TRY_AGAIN_MS	 15000 /* all of them are taken, or the API server does not answer: doubled each time... */
#define TRY_AGAIN_MAX_MS (5 * 60 * 1000)
#define FRESH_MS	 10000 /* an answer about the slot that is held is good for an interruption that long */
#define SOON_MS		 5000 /* after the API server was away: on the average */

enum slot_stage { SLOT_IDLE, SLOT_LOOK, SLOT_TAKE, SLOT_HELD, SLOT_RENEW, SLOT_GIVE_BACK };

struct slots {
	struct kube_client client;
	struct event *timer;
	enum slot_stage stage;
	unsigned number; /* the one that is looked at, or held */
	unsigned tries;	 /* in vain, in a row; the last because of... */
	char why[512];
	bool wanted;	 /* else what is held, or comes, is given back */
	uint64_t asked;	 /* when it was last asked for, monotonic_ms()... */
	uint64_t granted; /* ...and so for how long it is ours: from then on */
	uint64_t heard;	  /* when that answer came */
	bool awaited;	  /* an interruption waits for the next one */
	json_t *lease;	 /* as it was last seen */
	struct lease_seen *seen; /* of each number... */
	unsigned n_seen;
};

static void look_at(struct agent *agent);

static const char *namespace_of(const struct agent *agent)
{
	const char *set = agent->spec.kubernetes.namespace;

	return *set ? set : agent->slots->client.access.namespace;
}

static char *path_of(const struct agent *agent, bool collection)
{
	const struct slots *slots = agent->slots;
	const char *namespace = namespace_of(agent);

	return collection ? xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases", namespace) :
			    xasprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases/berth-slot-%u", namespace,
				      slots->number);
}

static uint64_t pause_of(struct slots *slots)
{
	uint64_t half = backoff(TRY_AGAIN_MS, slots->tries++, TRY_AGAIN_MAX_MS) / 2;

	return half + agent_spread(half);
}

static void try_again(struct agent *agent, const char *why)
{
	struct slots *slots = agent->slots;

	slots->stage = SLOT_IDLE;
	if (!slots->wanted)
		return;
	if (strcmp(slots->why, why) != 0)
		say(SAY_INFO, "an interruption waits for a slot of the pool", "why", why);
	(void)snprintf(slots->why, sizeof(slots->why), "%s", why);
	agent_arm(slots->timer, pause_of(slots));
}

static void keep_lease(struct slots *slots, json_t *lease)
{
	json_t *old = slots->lease;

	slots->lease = json_incref(lease);
	json_decref(old);
}

static void on_answer(void *userdata, const struct kube_answer *answer);

static void ask(struct agent *agent, const char *method, char *path, json_t *body)
{
	struct error err = ERROR_INIT;
	struct kube_answer none = { .why = err.message };

	if (kube_ask(&agent->slots->client, method, path, KUBE_JSON, body, on_answer, agent, &err) < 0)
		on_answer(agent, &none);
}

/* A free one (`lease` NULL: that nobody ever had), or ours for another while. */
static void take(struct agent *agent, json_t *lease, enum slot_stage stage)
{
	struct slots *slots = agent->slots;
	char name[32];

	(void)snprintf(name, sizeof(name), "berth-slot-%u", slots->number);
	slots->stage = stage;
	slots->asked = monotonic_ms();
	ask(agent, lease ? "PUT" : "POST", path_of(agent, !lease),
	    lease_take(lease, name, namespace_of(agent),
		       agent->options->node_name, time(NULL), LEASE_S));
}

static void look_at_next(struct agent *agent)
{
	if (++agent->slots->number < agent->spec.kubernetes.slots)
		look_at(agent);
	else
		try_again(agent, "other nodes have them all");
}

static struct lease_seen *seen_before(struct slots *slots)
{
	struct lease_seen *more;

	if (slots->number < slots->n_seen)
		return &slots->seen[slots->number];
	more = reallocarray(slots->seen, slots->number + 1, sizeof(*more));
	if (!more)
		return NULL;
	memset(more + slots->n_seen, 0, (slots->number + 1 - slots->n_seen) * sizeof(*more));
	slots->seen = more;
	slots->n_seen = slots->number + 1;
	return &more[slots->number];
}

static void judge(struct agent *agent, json_t *lease)
{
	struct lease_seen *seen = seen_before(agent->slots);

	if (!seen) {
		try_again(agent, "no memory");
		return;
	}
	switch (lease_judge(lease, agent->options->node_name, seen, monotonic_ms())) {
	case LEASE_FREE:
	case LEASE_OURS: /* of an agent here before us: its time begins anew */
		take(agent, lease, SLOT_TAKE);
		return;
	case LEASE_TAKEN:
		look_at_next(agent);
		return;
	}
}

static void give_back(struct agent *agent)
{
	struct slots *slots = agent->slots;

	slots->stage = SLOT_GIVE_BACK;
	ask(agent, "PUT", path_of(agent, false), lease_give_back(slots->lease));
}

static bool is_in_time(const struct slots *slots)
{
	return monotonic_ms() - slots->granted < (uint64_t)LEASE_S * 1000 - MARGIN_MS;
}

static void hold(struct agent *agent, json_t *lease, bool granted, bool taken)
{
	struct slots *slots = agent->slots;
	uint64_t next;

	slots->stage = SLOT_HELD;
	if (granted) {
		taken = taken || slots->awaited;
		slots->granted = slots->asked;
		slots->heard = monotonic_ms();
		slots->awaited = false;
		slots->tries = 0;
		slots->why[0] = '\0';
	}
	keep_lease(slots, lease);
	if (!slots->wanted) {
		give_back(agent);
		return;
	}
	next = slots->awaited ? pause_of(slots) : RENEW_MS;
	agent_arm(slots->timer, MIN_OF(next, (uint64_t)RENEW_MS));
	if (taken)
		agent_slot_taken(agent);
}

/* Where that failed it expires. */
static void given_back(struct agent *agent)
{
	struct slots *slots = agent->slots;

	slots->stage = SLOT_IDLE;
	slots->awaited = false;
	keep_lease(slots, NULL);
	if (slots->wanted)
		agent_arm(slots->timer, 0);
}

/* Without an answer it is ours as long as its time goes: another try is before its end. */
static void renewed(struct agent *agent, const struct kube_answer *answer, bool fine, bool gone)
{
	struct slots *slots = agent->slots;

	if (gone || (!fine && !is_in_time(slots))) {
		say(SAY_WARN, gone ? "the slot of the pool was taken away" :
				     "the slot of the pool was lost: its time is over", "why", answer->why);
		given_back(agent);
		return;
	}
	if (!fine && slots->awaited && !slots->tries)
		say(SAY_INFO, "an interruption waits until the API server answers", "why", answer->why);
	hold(agent, fine ? answer->body : slots->lease, fine, false);
}

static void on_answer(void *userdata, const struct kube_answer *answer)
{
	struct agent *agent = userdata;
	struct slots *slots = agent->slots;
	bool fine = answer->status >= 200 && answer->status < 300;

	switch (slots->stage) {
	case SLOT_LOOK:
		if (!slots->wanted)
			slots->stage = SLOT_IDLE;
		else if (fine)
			judge(agent, answer->body);
		else if (answer->status == 404)
			take(agent, NULL, SLOT_TAKE);
		else
			try_again(agent, answer->why);
		return;
	case SLOT_TAKE:
		if (fine)
			hold(agent, answer->body, true, true);
		else if (answer->status == 409)
			look_at_next(agent); /* another node was quicker */
		else
			try_again(agent, answer->why);
		return;
	case SLOT_RENEW:
		renewed(agent, answer, fine, answer->status == 404 || answer->status == 409);
		return;
	case SLOT_GIVE_BACK:
		given_back(agent);
		return;
	case SLOT_IDLE:
	case SLOT_HELD:
		return;
	}
}

static void look_at(struct agent *agent)
{
	agent->slots->stage = SLOT_LOOK;
	ask(agent, "GET", path_of(agent, false), NULL);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct agent *agent = userdata;

	(void)fd;
	(void)what;
	if (agent->slots->stage == SLOT_HELD) {
		take(agent, agent->slots->lease, SLOT_RENEW);
		return;
	}
	agent->slots->number = 0;
	look_at(agent);
}

static int open_slots(struct agent *agent, struct error *err)
{
	struct slots *slots = calloc(1, sizeof(*slots));
	int r;

	if (!slots)
		return error_errno(err, ENOMEM, "reach the API server");
	agent->slots = slots;
	slots->timer = evtimer_new(agent->base, on_timer, agent);
	r = kube_open_client(agent, &slots->client, err);
	return r == 0 && !slots->timer ? error_errno(err, ENOMEM, "reach the API server") : r;
}

bool slot_is_held(const struct agent *agent)
{
	const struct slots *slots = agent->slots;

	return !agent->kube || (slots && slots->wanted && is_in_time(slots) &&
				monotonic_ms() - slots->heard < FRESH_MS &&
				(slots->stage == SLOT_HELD || slots->stage == SLOT_RENEW));
}

/* It is ours, and the API server was not heard of for a while: it is asked before anything is interrupted. */
static void confirm(struct agent *agent)
{
	struct slots *slots = agent->slots;

	if (slot_is_held(agent)) { /* it was heard of meanwhile */
		agent_slot_taken(agent);
		return;
	}
	if (slots->awaited || (slots->stage != SLOT_HELD && slots->stage != SLOT_RENEW))
		return;
	slots->awaited = true;
	if (slots->stage == SLOT_HELD)
		agent_arm(slots->timer, 0);
}

void slot_want(struct agent *agent)
{
	struct error err = ERROR_INIT;
	bool begins;

	if (!agent->kube)
		return;
	if (!agent->slots && open_slots(agent, &err) < 0) {
		say(SAY_ERROR, "no slot of the pool can be had", "why", err.message);
		slots_close(agent);
		return;
	}
	begins = !agent->slots->wanted && agent->slots->stage == SLOT_IDLE;
	agent->slots->wanted = true;
	if (begins)
		on_timer(-1, 0, agent);
	else
		confirm(agent);
}

void slots_hurry(struct agent *agent)
{
	struct slots *slots = agent->slots;

	if (!slots || !slots->wanted || (slots->stage != SLOT_IDLE && !(slots->stage == SLOT_HELD && slots->awaited)))
		return;
	slots->tries = 0;
	agent_arm(slots->timer, agent_spread(SOON_MS));
}

void slot_give_back(struct agent *agent)
{
	struct slots *slots = agent->slots;

	if (!slots)
		return;
	slots->wanted = false;
	slots->awaited = false;
	(void)evtimer_del(slots->timer);
	if (slots->stage == SLOT_HELD)
		give_back(agent);
}

void slots_close(struct agent *agent)
{
	struct slots *slots = agent->slots;

	if (!slots)
		return;
	if (slots->timer)
		event_free(slots->timer);
	kube_client_release(&slots->client);
	json_decref(slots->lease);
	free(slots->seen);
	free(slots);
	agent->slots = NULL;
}
