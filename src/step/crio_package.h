/*
 * CRI-O's package: of the kubelet's minor version, from the host's repositories, a bundle, a file or a URL.
 *
 * A CRI-O that berth moved the kubelet to follows it: once the kubelet is of a later minor version, a package of that one
 * is to be had, and the node is drained, it takes the other's place. One that somebody else gave the kubelet is theirs.
 */
#ifndef STEP_CRIO_PACKAGE_H
#define STEP_CRIO_PACKAGE_H

#include "step/step.h"

struct crio_package {
	bool there;	     /* a CRI-O is here */
	const char *version; /* its, "1.34.0"; NULL: it does not say */
	const char *minor;   /* the kubelet's, "1.34"; "": it does not say */
	bool follows;	     /* the kubelet is on it, and berth moved it there */
};

/* Is one needed that cannot be had? Nothing is said where all is well. */
void crio_package_check(struct step_context *ctx, const struct crio_package *p, struct report *report);

/* Is there one that is to take another's place, when the node is drained? */
bool crio_package_is_due(struct step_context *ctx, const struct crio_package *p);

/* The one to be installed, where none is or another is due. */
int crio_package_plan(struct step_context *ctx, const struct crio_package *p, struct plan *plan, struct error *err);

#endif
