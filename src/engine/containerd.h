/*
 * The node's own containerd, wherever its distribution put it, and the drop-in that gives it a runtime handler.
 */
#ifndef ENGINE_CONTAINERD_H
#define ENGINE_CONTAINERD_H

#include "base/json.h"
#include "engine/containerd_config.h"
#include "host/host.h"

/*
 * 2.0.5: before it, Sysbox's containers fail for want of an unprivileged bind of their user namespace
 * (nestybox/sysbox, docs/user-guide/install-k8s).
 */
#define CONTAINERD_OLDEST "2.0.5"

#define CONTAINERD_CONFIG "/etc/containerd/config.toml" /* of a stock one */
#define CONTAINERD_SOCKET "/run/containerd/containerd.sock" /* of a stock one */

struct containerd_layout {
	const char *name;  /* "k3s" */
	struct {
		const char *name;
		const char *takes; /* what else is restarted with it, for people; NULL: nothing */
	} units[3]; /* what starts it, the last without a name; the first that is loaded counts */
	const char *program; /* where it is; NULL: in PATH */
	const char *config;  /* the file it reads */
	const char *drop_ins; /* the folder of drop-ins: of those the distribution imports by itself */
	const char *socket;
	bool generated; /* `config` is written anew at each start: only what it imports by itself counts */
};

extern const struct containerd_layout containerd_layouts[]; /* ends with one without a name; the stock one is last */

/* The plugin that serves kubelets, by its name in a config of that version. */
const char *containerd_cri_plugin(unsigned version);

/* "2.2.2" of "containerd github.com/containerd/containerd/v2 v2.2.2 1c4457e0"; NULL: it is not that. free() it. */
char *containerd_version_of(const char *output);

struct containerd_handler {
	const char *name;    /* "sysbox-runc" */
	const char *runtime; /* what is run as the OCI runtime */
	bool systemd_cgroup;
	unsigned version; /* of the config that imports it */
};

/* The drop-in's text. free() it. */
char *containerd_drop_in(const struct containerd_handler *handler);

/*
 * `containerd --config PATH config dump` of that program: what it would run with, every import taken in. free() it.
 * An error has containerd's own words.
 */
int containerd_dump(const struct host *host, const char *program, const char *config, char **ret, struct error *err);

/* The path of a handler's OCI runtime in a dump; NULL: no such handler. free() it. */
char *containerd_dump_runtime(const char *dump, const char *handler);

/*
 * The first setting of a drop-in that a dump has otherwise for the handler, by its name there ("pod_annotations"); NULL:
 * none. A list may have more items than the drop-in's; what a dump does not have at all is of another version's.
 */
const char *containerd_dump_differs(const char *dump, const char *drop_in, const char *handler);

/*
 * Has the containerd that runs all that a drop-in says of the handler? `config` is what it tells over the CRI
 * (cri_status); of what it does not tell it is believed to have it, as versions differ in what they tell.
 */
bool containerd_has_drop_in(const json_t *config, const char *drop_in, const char *handler);

/* Has it the handler by that runtime, by the same? */
bool containerd_has_runtime(const json_t *config, const char *handler, const char *runtime);

/* Does the dump's default handler leave cgroups to systemd? */
bool containerd_dump_systemd_cgroup(const char *dump);

#endif
