/*
 * Where a kubelet is told which engine to use, by what runs it: a drop-in of its unit with one more flag behind its own
 * command line (the last one counts, whatever its files and variables say), or a setting of its snap.
 */
#ifndef CHANGE_KUBELET_ENDPOINT_H
#define CHANGE_KUBELET_ENDPOINT_H

#include "change/change.h"

struct kubelet_endpoint {
	const char *unit;     /* "kubelet.service" */
	const char *snap;     /* "kubelet-eks"; NULL: a unit of its own */
	const char *endpoint; /* "unix:///run/crio/crio.sock" */
	const char *engine;   /* the engine's unit, which starts before it */
	const char *drop_in;  /* path */
	bool images;	      /* it is told by a setting of its own which engine pulls images */
};

/* 1: it is told, whether it runs or not; 0: not. */
int kubelet_endpoint_holds(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err);

/* 1: it is told in some way, be it edited or older than its command line; 0: not. */
int kubelet_endpoint_is_told(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err);

/* Lines for the plan. */
int kubelet_endpoint_describe(struct change_context *ctx, const struct kubelet_endpoint *e, struct strbuf *out,
			      struct error *err);

/* What is there, for kubelet_endpoint_restore(). */
int kubelet_endpoint_capture(struct change_context *ctx, const struct kubelet_endpoint *e, json_t **ret, struct error *err);

/* Both take effect at its next start, and neither starts it. */
int kubelet_endpoint_tell(struct change_context *ctx, const struct kubelet_endpoint *e, struct error *err);
int kubelet_endpoint_restore(struct change_context *ctx, const struct kubelet_endpoint *e, const json_t *before,
			     struct error *err);

#endif
