/* The order of things: what comes first must stand before what leans on it. */
#include "step/step.h"
#include "step/table.h"

const struct step *const steps[] = {
	&step_preflight,   /* changes nothing; refuses where the rest cannot work */
	&step_kernel,	   /* modules and settings */
	&step_program,	   /* berth itself where units find it */
	&step_daemon_json, /* before Docker's first start, and before Sysbox's package looks at it */
	&step_docker,
	&step_sysbox,
	&step_pool,	/* needs mkfs.xfs; before anything of Docker's is written */
	&step_services, /* first start of everything */
	&step_containerd, /* its handler leads to Sysbox, which runs then */
	&step_crio,	  /* as that one; then the kubelet may move */
	&step_budgets,	/* timers: nothing leans on them */
	&step_prune,	/* asks the Docker that runs then */
	&step_agent,	/* looks after all of it */
	NULL,
};

const struct step *step_find(const char *name)
{
	for (const struct step *const *s = steps; *s; s++) {
		if (strcmp((*s)->name, name) == 0)
			return *s;
	}
	return NULL;
}
