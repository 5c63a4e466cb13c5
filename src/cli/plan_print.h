/* A plan as people read it, and as programs do. */
#ifndef CLI_PLAN_PRINT_H
#define CLI_PLAN_PRINT_H

#include "cli/command.h"

int plan_print(struct node *node, const struct plan *plan, struct error *err);
int plan_print_json(struct node *node, const struct plan *plan, const struct report *report,
		    struct error *err);

#endif
