/*
 * dnf as berth uses it (dnf 4, dnf 5, yum where there is no dnf): a row of package_manager.h.
 *
 * rpm's scriptlets start no services, so there is nothing to forbid. What a transaction would do is
 * read from the table that dnf prints before it asks ("--assumeno"): it has no other answer that
 * all of its versions give.
 */
#ifndef CHANGE_DNF_H
#define CHANGE_DNF_H

#include "change/change.h"

/* Resolve and download. */
int dnf_fetch(struct change_context *ctx, const struct strv *items, const struct strv *asked, struct error *err);

/* The version that dnf would install: package_manager.h, candidate. */
int dnf_candidate(struct change_context *ctx, const char *name, char **ret, struct error *err);

/* Of what was downloaded alone; no weak dependencies. */
int dnf_install(struct change_context *ctx, const struct strv *items, struct error *err);

/*
 * After a transaction that was cut off: rpm puts a package's files in place, then notes it, then
 * runs its scriptlet, and syncs none of them; removing goes the same way. So what was to come is
 * installed again of what was downloaded for it (files that nobody knows have an owner then), and
 * what had come already once more. Where that is not possible (any more) it is no error: the
 * packages say so when they are used, or are removed.
 */
int dnf_repair(struct change_context *ctx, const struct strv *items, const struct strv *added,
	       struct error *err);

/* Just these, and what they depend on stays. Names that are not installed are skipped by dnf. */
int dnf_remove(struct change_context *ctx, const struct strv *names, struct error *err);
int dnf_simulate_remove(struct change_context *ctx, const struct strv *names,
			struct strv *ret_others, struct error *err);

/* What a line of the table is about. */
enum dnf_verb { DNF_NOTHING, DNF_INSTALL, DNF_UPGRADE, DNF_REMOVE };

/* That table, a row at a time; the lines of `text` are eaten. Set the text, leave the rest zero. */
struct dnf_table {
	char *text;	       /* what is left */
	enum dnf_verb section; /* the one we are in */
	const char *row;       /* the last one's name: a "replacing" line below it may repeat it */
};

/* What happens to which package (a pointer into the text); DNF_NOTHING at the end. */
enum dnf_verb dnf_table_next(struct dnf_table *table, const char **ret_name);

#endif
