/* The node's own containerd: which distribution's, where its parts are, and what it runs with. */
#ifndef STEP_CONTAINERD_FIND_H
#define STEP_CONTAINERD_FIND_H

#include "engine/containerd.h"
#include "step/step.h"

struct containerd_found {
	const struct containerd_layout *layout; /* NULL: none */
	char *unit, *program, *config, *drop_in;
	const char *takes; /* what else is restarted with the unit, or NULL */
	char *socket;  /* where it answers: by its unit's flags, its settings, its layout */
	char *root;    /* where it keeps all it has, likewise; NULL: it does not say */
	char *pattern; /* the import that its config lacks, or NULL */
	char *version; /* "2.2.2"; NULL: its program does not say */
	char *dump;    /* what it would run with, of one that is new enough */
	unsigned config_version;
	bool imported; /* of one that is generated: it imports the drop-in */
};

#define CONTAINERD_FOUND_INIT ((struct containerd_found){ 0 })
void containerd_found_release(struct containerd_found *found);

/* An error is of a config that cannot be read, or that containerd itself does not understand. */
int containerd_find(struct step_context *ctx, struct containerd_found *ret, struct error *err);

/* Older than CONTAINERD_OLDEST, or of no version. */
bool containerd_is_old(const struct containerd_found *found);

#endif
