/*
 * The journal: what berth is about to do and has done to this host, in /var/lib/berth/journal/records.
 *
 * One record a line: 16 hexadecimal digits of the SHA-256 of the rest, a blank, a JSON object. Every
 * record is synced before the next step is taken: `begin` (the change, and what was there before) ahead
 * of the first touch, `done` behind the last, `again` ahead of a change that is made once more, `undone`
 * when it was put back, `run` and `verified` as marks. Numbers, not clocks, give the order. A last line that was cut off by a crash is dropped; damage
 * anywhere else is an error, for undoing half a history would be guessing.
 */
#ifndef NODE_JOURNAL_H
#define NODE_JOURNAL_H

#include "change/change.h"

#define JOURNAL_DIR	STATE_DIR "/journal"
#define JOURNAL_FILE	JOURNAL_DIR "/records"
#define JOURNAL_VERSION 1

struct journal_entry {
	uint64_t number;
	char *step, *kind, *target;
	json_t *want, *before;
	json_t *after;	  /* NULL: not known to be finished */
	char *outcome;	  /* "undone", "nothing", "left": undone; NULL: still in force */
	char *why;	  /* of an outcome "left" */
	bool superseded;  /* a later begin resumed it */
	bool undone_now;  /* undone since anything was begun: by an uninstall that was cut off */

	/* While it is made once more, and not finished; else NULL: */
	json_t *found;	 /* what was there instead, the first time since it was done */
	json_t *earlier; /* `after` of the time before, where that was finished */
};

struct journal {
	const struct host *host;
	int fd; /* -EBADF: read only, or not there yet */
	off_t end; /* behind the last whole record */
	uint64_t next;
	struct journal_entry *entries;
	size_t len;
	bool verified;	   /* nothing was begun or undone since the last verification */
	bool ever_verified; /* by a run since the journal was begun */
	bool uninstalled;  /* by the last run, though something of it is left */
	bool dropped_tail; /* a cut-off record was found */
	char *version;	   /* of the berth that began it, NULL: empty */
};

#define JOURNAL_INIT ((struct journal){ .fd = -EBADF })
void journal_close(struct journal *journal);

/* Read it; absent is empty. -EPROTONOSUPPORT: of a newer berth; -EBADMSG: damaged. */
int journal_read(const struct host *host, struct journal *ret, struct error *err);

/* Text of a records file; `ret->end` is the length of its whole records. */
int journal_parse(const char *text, size_t len, struct journal *ret, struct error *err);

/* The intent, synced. `resumed` (0: none) is the unfinished entry that this one takes up. */
int journal_begin(struct journal *journal, const struct change *change, const json_t *before,
		  uint64_t resumed, uint64_t *ret_number, struct error *err);
/*
 * The intent to make a finished change once more, because it did not last: the first `before` stays, and so
 * does its place in the order. `found`: what was there instead.
 */
int journal_again(struct journal *journal, uint64_t number, const json_t *want, const json_t *found,
		  struct error *err);
int journal_done(struct journal *journal, uint64_t number, const json_t *after, struct error *err);
int journal_undone(struct journal *journal, uint64_t number, const char *outcome, const char *why,
		   struct error *err);

/* The entry of that number, or NULL. */
const struct journal_entry *journal_find(const struct journal *journal, uint64_t number);

/* A mark: "run" (with what) or "verified". */
int journal_mark(struct journal *journal, const char *type, const char *text, struct error *err);

/* The unfinished entry in force of that kind and target, or NULL. */
const struct journal_entry *journal_unfinished(const struct journal *journal, const char *kind,
					       const char *target);

/* The latest finished one that was not taken back, or NULL. */
const struct journal_entry *journal_finished(const struct journal *journal, const char *kind,
					     const char *target);

/* Is it still in force (begun, not undone or left as it was, not taken up by a later one)? */
bool journal_in_force(const struct journal_entry *entry);

#endif
