/* An ordered list of changes that are needed, as steps put it together. */
#ifndef CHANGE_PLAN_H
#define CHANGE_PLAN_H

#include "change/change.h"

struct plan {
	struct change *items;
	size_t len;
	const char *step; /* whose changes are being added */
	bool keep_all;	  /* also what holds already (for `verify`) */
};

#define PLAN_INIT ((struct plan){ 0 })
void plan_release(struct plan *plan);

/*
 * Add one, unless it holds. Takes `want` (also on failure); `target`, `why` and `interrupts` are
 * copied, the latter two may be NULL. 1 when it was added, 0 when it holds already.
 */
int plan_add(struct plan *plan, struct change_context *ctx, const struct change_kind *kind,
	     const char *target, json_t *want, const char *interrupts, const char *why,
	     struct error *err);

/* Take one out again. */
void plan_remove(struct plan *plan, size_t index);

/* A text file of root's with that mode. */
int plan_file(struct plan *plan, struct change_context *ctx, const char *path, const char *content,
	      mode_t mode, const char *why, struct error *err);

/* Is a change of that kind and target pending? */
const struct change *plan_find(const struct plan *plan, const struct change_kind *kind,
			       const char *target);

#endif
