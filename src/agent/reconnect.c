#include "agent/reconnect.h"

#include "agent/kube.h"
#include "agent/say.h"
#include "spec/listen.h"

static bool differ(const char *option, const char *before, const char *now)
{
	return !option && strcmp(before, now) != 0;
}

static bool share_port(const char *a, const char *b)
{
	unsigned short port_a, port_b;
	char address[LISTEN_ADDRESS_MAX];

	return listen_parse(a, address, &port_a) == 0 && listen_parse(b, address, &port_b) == 0 && port_a == port_b;
}

/* Whatever is not its own any more of these two goes, and `server` and `kube` are its own again. */
static void take_back(struct agent *agent, struct server *server, struct kube *kube)
{
	if (agent->server != server)
		server_close(agent);
	if (agent->kube != kube)
		kube_close(agent);
	agent->server = server;
	agent->kube = kube;
}

static int open_anew(struct agent *agent, const struct spec *before, bool listens, struct error *err)
{
	const struct agent_options *options = agent->options;
	const struct spec *spec = &agent->spec;
	int r = 0;

	if (listens) {
		agent->server = NULL;
		r = server_open(agent, spec->agent.listen, err);
	}
	if (r == 0 && (differ(NULL, before->kubernetes.server, spec->kubernetes.server) ||
		       differ(options->kube_folder, before->kubernetes.credentials, spec->kubernetes.credentials))) {
		agent->kube = NULL;
		r = kube_open(agent, err);
	}
	return r;
}

/* Its port was free a moment ago. */
static void listen_again(struct agent *agent, const char *listen)
{
	struct error err = ERROR_INIT;

	if (server_open(agent, listen, &err) == 0)
		return;
	server_close(agent);
	say(SAY_ERROR, "nothing answers any more until SIGHUP", "why", err.message);
}

int reconnect(struct agent *agent, const struct spec *before, struct error *err)
{
	bool listens = differ(agent->options->listen, before->agent.listen, agent->spec.agent.listen);
	bool same_port = listens && agent->server && share_port(before->agent.listen, agent->spec.agent.listen);
	struct server *old_server = agent->server, *server;
	struct kube *old_kube = agent->kube, *kube;
	int r;

	if (same_port) {
		server_close(agent);
		old_server = NULL;
	}
	r = open_anew(agent, before, listens, err);
	server = r < 0 ? old_server : agent->server;
	kube = r < 0 ? old_kube : agent->kube;
	if (r == 0) {
		agent->server = old_server;
		agent->kube = old_kube;
	}
	take_back(agent, server, kube);
	if (r < 0 && same_port)
		listen_again(agent, before->agent.listen);
	return r;
}
