/*
 * What packages leave behind even when purged: users, groups, sub-id lines, directories their daemons
 * made, links of their units. Noted before an installation, removed after the purge where it was not there before.
 */
#ifndef CHANGE_RESIDUE_H
#define CHANGE_RESIDUE_H

#include "change/change.h"

int residue_capture(const struct host *host, json_t **ret, struct error *err);
int residue_remove(const struct host *host, const json_t *before, struct error *err);

#endif
