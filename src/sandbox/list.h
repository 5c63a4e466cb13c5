/* Every sandbox that has a budget: what it uses, what it may use, and where. */
#ifndef SANDBOX_LIST_H
#define SANDBOX_LIST_H

#include "sandbox/record.h"
#include "sandbox/settings.h"
#include "sys/quota.h"

/* Where what counts in a sandbox's budget lies. */
enum {
	WHERE_LAYER = 1,   /* its root file system */
	WHERE_INNER = 2,   /* what Sysbox keeps for it: its inner Docker above all */
	WHERE_VOLUMES = 4, /* volumes without a name */
	WHERE_STASH = 8,   /* inner data that waits for its next start */
};

struct sandbox {
	char *id;
	char *name; /* as its engine calls it, "namespace/pod/container,..." of a pod; NULL: no engine has it (any more) */
	const char *engine; /* of name.h, or "" where it is not known */
	struct record record;
	struct quota_usage usage;
	unsigned where;
	uint64_t gone_since; /* seconds since the epoch; 0: it is there, or nothing of it is kept */
};

/* One of which nothing can be said, and why. */
struct unreadable {
	char *id;
	char *why;
};

struct sandboxes {
	struct sandbox *items;
	size_t len;
	struct unreadable *unreadable;
	size_t unreadable_len;
};

#define SANDBOXES_INIT ((struct sandboxes){ 0 })
void sandboxes_release(struct sandboxes *list);

/*
 * In the order of their ids, less those of which nothing is left. One that cannot be read is among the unreadable, and the
 * first of them is told by the error, which then is -EBADMSG; the list is good nevertheless.
 */
int sandboxes_read(const struct settings *settings, int pool_fd, struct sandboxes *ret,
		   struct error *err);

/*
 * By its name, its id, or the beginning of its id. -ENOENT, -EEXIST (more than one), with a sentence.
 */
int sandboxes_find(const struct sandboxes *list, const char *what, const struct sandbox **ret,
		   struct error *err);

/* "layer, inner docker, volumes": free() it. */
char *sandbox_where(unsigned where);

enum sandbox_order { ORDER_NAME, ORDER_USED, ORDER_LIMIT, ORDER_PERCENT, ORDER_INODES, ORDER_ID };
void sandboxes_sort(struct sandboxes *list, enum sandbox_order order); /* biggest first, names from a */

/* Of its limit, in percent; 0 for an unlimited one. */
unsigned sandbox_percent(const struct sandbox *sandbox);

#endif
