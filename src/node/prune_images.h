/*
 * Which images may go: a judgement of what Docker's API says, without asking anybody. Strict where
 * the answers make no sense (-EPROTO): then nothing is removed.
 *
 * An image goes when no container, running or stopped, uses it or one made of it, it has no label
 * berth.dev/keep, and it is old enough. Its age is that of the newest of: its creation, its last
 * tag (Metadata.LastTagTime) and berth's own note of having seen it unused first. Docker notes tags
 * and builds, but neither a pull nor a load: there the note alone can tell, for the creation is the
 * date of a build elsewhere. Without any of the two an image stays until a later run.
 */
#ifndef NODE_PRUNE_IMAGES_H
#define NODE_PRUNE_IMAGES_H

#include "base/json.h"
#include "base/strv.h"

#define PRUNE_LABEL_KEEP "berth.dev/keep" /* any value but "false" */

enum prune_verdict {
	PRUNE_UNDATED, /* may go if it is old enough: prune_images_date() first */
	PRUNE_GOES,
	PRUNE_USED,	/* by a container, or an image that one uses is made of it */
	PRUNE_LABELLED, /* to be kept */
	PRUNE_OWN,	/* of a verification of ours */
	PRUNE_YOUNG,
	PRUNE_UNKNOWN, /* since when it is unused cannot be told */
	PRUNE_BASE,    /* an image that stays is made of it */
	PRUNE_INNER,   /* no name, and others are made of it: goes with the last of them */
};

enum prune_outcome {
	PRUNE_PENDING,
	PRUNE_REMOVED,
	PRUNE_SKIPPED, /* it came into use, or went, meanwhile */
	PRUNE_FAILED,
};

struct prune_image {
	char *id;	  /* "sha256:..." */
	char *name;	  /* for people: the first tag, else the short id */
	struct strv tags; /* "repo:tag" */
	struct strv refs; /* what has to be removed one by one; empty: the image by its id */
	uint64_t size;	  /* with what it shares with others */
	int64_t since;	  /* seconds since 1970: the newest date known of it */
	size_t parent;	  /* index, SIZE_MAX: none */
	size_t depth;	  /* how many images it is made of */
	bool dated;	  /* `since` says since when it is here, not just when it was built */
	bool named;	  /* it has a tag or a digest */
	bool alone;	  /* an image without a name that it is made of is to be kept */
	enum prune_verdict verdict;
	enum prune_outcome outcome; /* of one that goes */
	char *why;		    /* it did not, or NULL */
};

struct prune_images {
	struct prune_image *items;
	size_t len;
};

#define PRUNE_IMAGES_INIT ((struct prune_images){ 0 })
void prune_images_release(struct prune_images *images);

/* GET /images/json?all=1 and /containers/json?all=1: all that can be told without dates. */
int prune_images_read(const json_t *images, const json_t *containers, struct prune_images *ret,
		      struct error *err);

/* GET /images/ID/json (NULL: it is gone), and notes of earlier runs ({ID: seconds}, or NULL). */
void prune_image_date(struct prune_image *image, const json_t *inspected, const json_t *notes,
		      int64_t now);

/* What is undated is judged. A limit of 0 needs no dates. Those that go come first, children ahead.
 */
void prune_images_decide(struct prune_images *images, int64_t now, uint64_t limit_ms);

/* Notes for the next run, of every image that no container uses; NULL without memory. */
json_t *prune_images_note(const struct prune_images *images, const json_t *notes, int64_t now);

/* Is it that old? Not when the date lies ahead, unless the limit is 0. */
bool prune_old_enough(int64_t since, int64_t now, uint64_t limit_ms);

/* "used", "labelled"...: fixed words, for JSON. */
const char *prune_verdict_name(enum prune_verdict verdict);

#endif
