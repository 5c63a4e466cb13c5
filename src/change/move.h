/*
 * A directory's content moved to another file system (/var/lib/docker into the pool), and back.
 *
 * The daemon that writes there is stopped by then. Four names; the disk alone says how far it got:
 *
 *   T = target            P = <to>.berth-partial     D = <to>            O = <target>.berth-old
 *
 *   T         P         D        O        what it means, and what apply() does next
 *   content   -/half    -/empty  -/empty  not copied, or cut off in it: P away, T copied to P,
 * synced, compared, T renamed to O
 *   -/empty   complete  -/empty  content  O there says that P is complete: P renamed to D
 *   -         -         content  content  an empty T made with O's owner, mode and time
 *   empty     -         content  content  done
 *   content   -         content  -        refused: which of them is right? (an older pool)
 *   content   -/any     any      content  T is of a daemon that was started meanwhile: set aside as
 *                                         <target>.berth-aside when it is an empty Docker skeleton,
 *                                         else refused
 *
 * "-" is absent. At every moment the data is complete in T or in O, and O goes only by
 * move_discard_old, when the data in its new place has been proven.
 *
 * want: {"to": directory, "capacity": bytes the pool has room for (optional: what does not fit is refused when
 * planning)}. after: {"old": O or null}.
 *
 * Back: D is copied to <target>.berth-partial, synced, compared; D renamed to <to>.berth-back,
 * which says that the former is complete; that renamed to T; then O and <to>.berth-back go.
 */
#ifndef CHANGE_MOVE_H
#define CHANGE_MOVE_H

#include "change/change.h"

/* Remove the old copy of a moved directory, once verified. Nothing to remove is fine. */
int move_discard_old(struct change_context *ctx, const char *target, struct error *err);

/*
 * Bring a pool directory's data to an ordinary one, which must be empty, absent or an empty Docker
 * skeleton. 1: it is there, and gone from the pool; 0: there was nothing to bring, or it does not
 * fit and ctx->delete_data says that it may be lost with the pool (it still is in the pool).
 * Negative: refused (-ENOSPC with the figures, -EBUSY, -EEXIST...), nothing changed. Can be cut off
 * and repeated.
 */
int move_back(struct change_context *ctx, const char *from_pool_dir, const char *to_dir,
	      struct error *err);

/* Shared by move.c and move_back.c. */

struct move_names {
	const char *target, *to; /* T and D, the caller's */
	char *partial;		 /* P */
	char *old;		 /* O */
	char *back_partial;	 /* <target>.berth-partial */
	char *back;		 /* <to>.berth-back */
};

int move_names_init(struct move_names *names, const char *target, const char *to,
		    struct error *err);
void move_names_release(struct move_names *names);

/* T is to be replaced: fine when absent or empty, a Docker skeleton is set aside, else -EEXIST. */
int move_clear_target(struct change_context *ctx, const char *target, struct error *err);

/* Finish a way back that was cut off: the data is in T then, and nothing of it elsewhere. */
int move_finish_back(struct change_context *ctx, const struct move_names *names, struct error *err);

int move_undo(struct change_context *ctx, const struct change_record *record,
	      enum undo_outcome *ret, struct strbuf *why, struct error *err);

#endif
