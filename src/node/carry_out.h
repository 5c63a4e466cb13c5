/* One planned change, journaled and observed: for the ways of an installation. */
#ifndef NODE_CARRY_OUT_H
#define NODE_CARRY_OUT_H

#include "node/node.h"

int carry_out_one(struct node *node, const struct change *change, struct error *err);

/* One that was cut off, and that is found made: only its record is not finished. */
int carry_out_cut_off(struct node *node, const struct journal_entry *entry, struct error *err);

#endif
