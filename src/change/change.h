/*
 * A change: one thing on the host that shall become so, and everything needed to show it, make it,
 * record it and take it back.
 *
 * Steps decide *what* must hold and put changes into a plan; a change's *kind* (a file, a sysctl,
 * packages, a unit, the pool...) knows *how*. All kinds are told apart by one table (kinds.c), so a
 * step that is made of known kinds gets diff, journal, crash-safety and undo for nothing.
 *
 * The life of a change: holds() says whether the world is so already; describe() shows the
 * difference; prepare() gets what it needs from outside, changing nothing on the host; capture() notes
 * what is there (journaled before the first touch); apply() makes it so and notes what it left. All of
 * them can be cut off anywhere: apply() of a half-made change finishes it. undo() puts back what
 * capture() noted, but only where the host still has what apply() left.
 */
#ifndef CHANGE_CHANGE_H
#define CHANGE_CHANGE_H

#include "base/json.h"
#include "base/progress.h"
#include "base/strbuf.h"
#include "host/host.h"
#include "host/os.h"
#include "host/systemd.h"
#include "sys/beside.h"

#define STATE_DIR  "/var/lib/berth"
#define BACKUP_DIR STATE_DIR "/journal/backup"
#define CACHE_DIR  STATE_DIR "/cache"
#define POOL_DIR   STATE_DIR "/pool"

struct change_context {
	const struct host *host;
	const struct os *os;
	const struct progress *progress; /* NULL: silent */
	uint64_t package_lock_ms, packages_ms, download_ms, services_ms; /* deadlines */
	const char *bundle_dir; /* an extracted bundle instead of the network, or NULL */
	bool delete_data;   /* undo may delete what tenants have written */
	bool reload_needed; /* unit files changed: daemon-reload before the next unit verb */
	struct strv enabled; /* units that were enabled since, which systemd shows only after the next */
	struct unit_states units; /* cache of context_unit() */
	struct beside triggers;   /* of packages, at work while other changes are made (triggers.h) */
};

#define CHANGE_CONTEXT_INIT ((struct change_context){ .triggers = BESIDE_INIT })
void change_context_release(struct change_context *ctx);

/*
 * State of a unit, from one `systemctl show` for all that steps ask for; context_changed() after any
 * change to units drops it. The pointer is good until then or the next call. Never NULL on success.
 */
int context_unit(struct change_context *ctx, const char *name, const struct unit_state **ret,
		 struct error *err);
void context_changed(struct change_context *ctx);

/*
 * Does the node's kubelet run its pods by the engine at that socket? One that is down at the moment does not say what it
 * uses, and counts, unless it is disabled.
 */
bool context_pods_use(struct change_context *ctx, const char *socket);

/* daemon-reload where unit files changed since the last one. */
int context_reload(struct change_context *ctx, struct error *err);

/* `systemctl VERB UNIT` behind that, within ctx->services_ms, told as what is going on. */
int context_verb(struct change_context *ctx, const char *verb, const char *unit, struct error *err);

/* A unit was enabled: it counts as that, and systemd is told by context_end(), once for all of them. */
int context_enabled(struct change_context *ctx, const char *unit, struct error *err);

/* Behind the last change: context_reload(), also for what was enabled. */
int context_end(struct change_context *ctx, struct error *err);

struct change_kind;

struct change {
	const struct change_kind *kind;
	char *step;	  /* name of the step that wants it */
	char *target;	  /* what it is about: a path, a key, a unit, a package set's name */
	json_t *want;	  /* the kind's parameters, journaled as they are */
	char *data;	  /* bytes too big or too binary for `want` (a file's content), or NULL */
	size_t data_len;
	char *interrupts; /* what stops meanwhile, in words, or NULL */
	char *why;	  /* one line for the plan, or NULL */
};

void change_release(struct change *change);

enum undo_outcome {
	UNDO_DONE,    /* put back */
	UNDO_NOTHING, /* it already was as before */
	UNDO_LEFT,    /* not what berth left there any more, or not safe to take away: left, see `why` */
};

/* What the journal knows of an applied (or begun) change. */
struct change_record {
	const char *target;
	const json_t *want;
	const json_t *before;
	const json_t *after; /* NULL: begun, not known to be finished */
};

struct change_kind {
	const char *name;

	/*
	 * Made again because it did not last, it is still one change: undo goes back to what was there
	 * before the first time, not to what the last repair found.
	 */
	bool repeats;

	/* 1: already so; 0: not; negative: cannot be told, or must not be touched (err says why). */
	int (*holds)(struct change_context *ctx, const struct change *change, struct error *err);

	/* Lines for the plan, each beginning with "+ ", "- ", "  " or "@@"; no heading. */
	int (*describe)(struct change_context *ctx, const struct change *change,
			struct strbuf *out, struct error *err);

	/* Optional: downloads and the like, run for the whole plan before the first change. */
	int (*prepare)(struct change_context *ctx, const struct change *change, struct error *err);

	/* What is there now, as JSON: enough for undo. Old content goes to the backup store first. */
	int (*capture)(struct change_context *ctx, const struct change *change, json_t **ret_before,
		       struct error *err);

	/*
	 * `before` is of the first time that it was made, which may be long ago: one that takes back a failed attempt looks
	 * itself at what there is.
	 */
	int (*apply)(struct change_context *ctx, const struct change *change, const json_t *before,
		     json_t **ret_after, struct error *err);

	/*
	 * Optional, of one that `repeats`: what its record says when it is made once more, of both times: undo() goes by it.
	 * `once` is what it said; `found` as capture() had it before this time. New values; NULL without memory.
	 */
	json_t *(*unite_want)(const json_t *once, const json_t *now);
	json_t *(*unite_after)(const json_t *once, const json_t *found, const json_t *now);

	/*
	 * Optional: what apply() would have left, of one that was cut off and is found made. Without it the record says no
	 * more than that it is done.
	 */
	int (*finished)(struct change_context *ctx, const struct change_record *record, json_t **ret_after,
			struct error *err);

	/*
	 * Optional: behind a run that was cut off, in apply() or in undo(): bring the host to where what is left can be
	 * looked at and planned. One that was begun, and that holds() would find made, it finishes: `ret_after` is then
	 * what apply() would have left. Not of a rooted host.
	 */
	int (*resume)(struct change_context *ctx, const struct change_record *record, json_t **ret_after,
		      struct error *err);

	/*
	 * Optional: 0 when undo() would find nothing in its way. Asked of all changes before the first of them is
	 * undone, so that what is refused is refused whole. Not of a rooted host.
	 */
	int (*may_undo)(struct change_context *ctx, const struct change_record *record, struct error *err);

	/* `why` gets one line when the outcome is UNDO_LEFT, or to be told with another. Must itself
	 * be repeatable after a cut. */
	int (*undo)(struct change_context *ctx, const struct change_record *record,
		    enum undo_outcome *ret, struct strbuf *why, struct error *err);
};

/* For kinds that have nothing to put back. */
int change_undo_nothing(struct change_context *ctx, const struct change_record *record,
			enum undo_outcome *ret, struct strbuf *why, struct error *err);

/* By name, for the journal's records; NULL: a newer berth's. */
const struct change_kind *change_kind_find(const char *name);

/* Verb for people: "write", "load", "install"... of a kind's name, for one-line lists. */
const char *change_verb(const struct change_kind *kind);

extern const struct change_kind change_file;	   /* a regular file with given content and mode */
extern const struct change_kind change_json;	   /* members of a JSON file, the rest kept */
extern const struct change_kind change_copy;	   /* a copy of berth's own program */
extern const struct change_kind change_sysctl;	   /* a number raised */
extern const struct change_kind change_module;	   /* a kernel module loaded */
extern const struct change_kind change_packages;   /* packages by the host's package manager */
extern const struct change_kind change_unpack;	   /* a Debian package's files where there is no dpkg */
extern const struct change_kind change_enable;	   /* a unit enabled at boot */
extern const struct change_kind change_start;	   /* a unit started (or restarted) */
extern const struct change_kind change_stop;	   /* a unit stopped while things move */
extern const struct change_kind change_pool;	   /* an XFS file system in an image or on a device */
extern const struct change_kind change_pool_dir;   /* a directory of the pool */
extern const struct change_kind change_enforce;	   /* limits of the mounted pool enforced */
extern const struct change_kind change_handler;	   /* a runtime handler of the node's containerd */
extern const struct change_kind change_crio_handler; /* a runtime handler of CRI-O */
extern const struct change_kind change_crio_restart; /* CRI-O restarted by the file that is in its place */
extern const struct change_kind change_kubelet_switch; /* the kubelet on another engine */
extern const struct change_kind change_move;	   /* a directory's content moved into the pool */

#endif
