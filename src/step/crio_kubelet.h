/* The node's kubelet, as the step of CRI-O looks at it and moves it over. */
#ifndef STEP_CRIO_KUBELET_H
#define STEP_CRIO_KUBELET_H

#include "host/kubelet.h"
#include "step/step.h"

/* One kubelet, and how it is told of its engine. */
struct crio_kubelet {
	struct kubelet kubelet;
	bool there;	  /* one runs */
	bool on_crio;	  /* and uses CRI-O */
	bool moved;	  /* by us: it is told so by a drop-in or a setting that we keep */
	const char *snap; /* NULL: a unit of its own */
	char *version;	  /* "1.34.4" */
	char minor[16];	  /* "1.34" */
};

void crio_kubelet_release(struct crio_kubelet *k);
int crio_kubelet_read(struct step_context *ctx, struct crio_kubelet *ret, struct error *err);

/* Can it be moved, and do the settings consent? One check for the report; true: yes. */
bool crio_kubelet_check(struct step_context *ctx, const struct crio_kubelet *k, struct report *report);

int crio_kubelet_plan(struct step_context *ctx, const struct crio_kubelet *k, struct plan *plan, struct error *err);

/* Is nothing on its node that a drain would move, and nothing on its way there? False also where nobody says. */
bool crio_kubelet_is_drained(struct step_context *ctx, const struct crio_kubelet *k);

/* The Node is Ready on CRI-O. */
void crio_kubelet_verify(struct step_context *ctx, const struct crio_kubelet *k, struct report *report);

#endif
