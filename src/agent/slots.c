#include "agent/slots.h"

#include <time.h>

#include "agent/kube.h"
#include "agent/kube_ask.h"
#include "agent/repair.h"
#include "agent/say.h"
#include "kube/object.h"

#define LEASE_S	     1800  /* of an agent that died with it; an interruption is over long before */
#define TRY_AGAIN_MS 30000 /* all of them are taken, or the API server does not answer */

enum slot_stage { SLOT_IDLE, SLOT_LOOK, SLOT_TAKE, SLOT_HELD, SLOT_GIVE_BACK };

struct slots {
	struct kube_client client;
	struct event *timer;
	enum slot_stage stage;
	unsigned number; /* the one that is looked at, or held */
	json_t *lease;	 /* as it was last seen */
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

static void try_again(struct agent *agent, const char *why)
{
	say(SAY_INFO, "an interruption waits for a slot of the pool", "why", why);
	agent->slots->stage = SLOT_IDLE;
	agent_arm(agent->slots->timer, agent_jittered(TRY_AGAIN_MS));
}

static void keep_lease(struct slots *slots, json_t *lease)
{
	json_decref(slots->lease);
	slots->lease = json_incref(lease);
}

static void on_answer(void *userdata, const struct kube_answer *answer);

static void ask(struct agent *agent, const char *method, char *path, json_t *body)
{
	struct error err = ERROR_INIT;

	if (kube_ask(&agent->slots->client, method, path, KUBE_JSON, body, on_answer, agent, &err) < 0)
		try_again(agent, err.message);
}

static void take(struct agent *agent, json_t *lease)
{
	struct slots *slots = agent->slots;
	char name[32];

	(void)snprintf(name, sizeof(name), "berth-slot-%u", slots->number);
	slots->stage = SLOT_TAKE;
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

static void judge(struct agent *agent, json_t *lease)
{
	switch (lease_judge(lease, agent->options->node_name, time(NULL))) {
	case LEASE_FREE:
	case LEASE_OURS: /* of an agent here before us: its time begins anew */
		take(agent, lease);
		return;
	case LEASE_TAKEN:
		look_at_next(agent);
		return;
	}
}

static void on_answer(void *userdata, const struct kube_answer *answer)
{
	struct agent *agent = userdata;
	struct slots *slots = agent->slots;
	bool fine = answer->status >= 200 && answer->status < 300;

	if (slots->stage == SLOT_GIVE_BACK) {
		/* Where that failed it expires. */
		slots->stage = SLOT_IDLE;
		keep_lease(slots, NULL);
	} else if (slots->stage == SLOT_LOOK && answer->status == 404) {
		take(agent, NULL);
	} else if (slots->stage == SLOT_LOOK && fine) {
		judge(agent, answer->body);
	} else if (slots->stage == SLOT_TAKE && answer->status == 409) {
		look_at_next(agent); /* another node was quicker */
	} else if (slots->stage == SLOT_TAKE && fine) {
		slots->stage = SLOT_HELD;
		keep_lease(slots, answer->body);
		agent_slot_taken(agent);
	} else {
		try_again(agent, answer->why);
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
	return !agent->kube || (agent->slots && agent->slots->stage == SLOT_HELD);
}

void slot_want(struct agent *agent)
{
	struct error err = ERROR_INIT;

	if (!agent->kube || (agent->slots && agent->slots->stage != SLOT_IDLE))
		return;
	if (!agent->slots && open_slots(agent, &err) < 0) {
		say(SAY_ERROR, "no slot of the pool can be had", "why", err.message);
		slots_close(agent);
		return;
	}
	on_timer(-1, 0, agent);
}

void slot_give_back(struct agent *agent)
{
	struct slots *slots = agent->slots;

	if (!slots)
		return;
	(void)evtimer_del(slots->timer);
	if (slots->stage != SLOT_HELD)
		return;
	slots->stage = SLOT_GIVE_BACK;
	ask(agent, "PUT", path_of(agent, false), lease_give_back(slots->lease));
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
	free(slots);
	agent->slots = NULL;
}
