/* A container engine restarted under its running pods, and proof that they did not notice. */
#ifndef CHANGE_ENGINE_RESTART_H
#define CHANGE_ENGINE_RESTART_H

#include "change/change.h"
#include "engine/cri.h"

struct cri_engine {
	const char *unit;   /* what is restarted */
	const char *socket; /* path on the host */
};

/* What the running engine says of itself. Errors as cri_status(). */
int engine_status(struct change_context *ctx, const struct cri_engine *engine, struct cri_status *ret,
		  struct error *err);

/*
 * Restart it and wait until it answers, at most ctx->services_ms. `ret_pods` is how many containers ran before, each of
 * which must still have the same first process or have come to its own end: -ECHILD with how many were ended. One that
 * does not run is started. -ETIMEDOUT, or systemd's error.
 */
int engine_restart(struct change_context *ctx, const struct cri_engine *engine, size_t *ret_pods, struct error *err);

/* Does the engine that runs have the settings that were written? */
typedef bool (*engine_has_fn)(struct change_context *ctx, const void *userdata);

/*
 * Restart it into settings that were written, unless it runs with them already, and see that it does. *ret_pods as
 * engine_restart(), -1 where it was not restarted. -EPROTO: it came up without them.
 */
int engine_bring(struct change_context *ctx, const struct cri_engine *engine, engine_has_fn has, const void *userdata,
		 ssize_t *ret_pods, struct error *err);

/*
 * Behind a failure of its new settings: the old ones are in place again (`again`: or why they are not), and where it was
 * restarted it is once more. Adds to `err` what became of it and returns its code.
 */
int engine_take_back(struct change_context *ctx, const struct cri_engine *engine, bool restarted, struct error *again,
		     struct error *err);

/* Does the one that runs tell kubelets of a handler of that name? */
bool engine_tells_of(struct change_context *ctx, const struct cri_engine *engine, const char *handler);

/* Stop and remove all its pods; none where no engine is. One that does not go keeps no other: the first error. */
int engine_clear(struct change_context *ctx, const struct cri_engine *engine, struct error *err);

/* Its pods and containers; none where no engine is. Errors as cri_pods(). */
int engine_pods(struct change_context *ctx, const struct cri_engine *engine, struct cri_pods *ret, struct error *err);

/* Pods that run by that handler now. Errors as cri_pods(), -ENOENT or -ECONNREFUSED where no engine is. */
int engine_pods_of(struct change_context *ctx, const struct cri_engine *engine, const char *handler, size_t *ret,
		   struct error *err);

/*
 * -EBUSY: pods run by it, and it is not to be taken from under them. An engine that is not there may have left some, which
 * their records on the pool tell; of one that is and does not answer nothing is known, which is an error too.
 */
int engine_check_unused(struct change_context *ctx, const struct cri_engine *engine, const char *handler,
			struct error *err);

/* The may_undo of kinds that add a handler: that, of the "unit", "socket" and "handler" in their `want`. */
int engine_may_undo(struct change_context *ctx, const struct change_record *record, struct error *err);

#endif
