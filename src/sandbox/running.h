/* Sandboxes that run, by their records: also where nobody answers for them. */
#ifndef SANDBOX_RUNNING_H
#define SANDBOX_RUNNING_H

#include "base/error.h"
#include "base/strv.h"

/* All of them, by id. */
int running_all(int pool_fd, struct strv *ret, struct error *err);

/* Those that are pods of Kubernetes, "NAMESPACE/NAME/CONTAINERS" each. One that died unseen counts until its engine has removed it. */
int running_pods(int pool_fd, struct strv *ret, struct error *err);

/*
 * Those whose Sysbox was restarted under them, by id: they run on, and nobody can exec into them any more. None where no
 * sysbox-mgr runs, which tells nothing of them.
 */
int running_stranded(int pool_fd, struct strv *ret, struct error *err);

/* The same of a given record_mgr(); 0: none. A pod is one of them while any of its containers is. */
int running_under_others(int pool_fd, uint64_t mgr, struct strv *ret, struct error *err);

#endif
