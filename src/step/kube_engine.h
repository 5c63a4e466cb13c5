/* What the steps of containerd and of CRI-O share: what the one that runs says of its handler for sandboxes. */
#ifndef STEP_KUBE_ENGINE_H
#define STEP_KUBE_ENGINE_H

#include "change/engine_restart.h"
#include "step/step.h"

struct kube_engine {
	const char *name; /* for people: "containerd", "CRI-O" */
	const char *answers_id, *handler_id, *sandbox_id; /* of its checks: "containerd.answers"... */
	struct cri_engine engine;
	bool systemd_cgroup; /* its pods' cgroups are made by systemd */
};

/* ", handler sysbox-runc, 3 sandboxes", or what is the matter. */
void kube_engine_probe(struct step_context *ctx, const struct kube_engine *e, struct strbuf *ret,
		       enum verdict *ret_verdict);

/* It answers, tells kubelets of the handler, and a real pod's sandbox runs by it. */
void kube_engine_verify(struct step_context *ctx, const struct kube_engine *e, struct report *report);

#endif
