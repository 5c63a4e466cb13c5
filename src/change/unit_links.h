/*
 * Links of enabled units whose unit file is not there: what is left in /etc/systemd/system when a package goes of which
 * deb-systemd-helper has lost its notes (the power went before they were on the disk).
 */
#ifndef CHANGE_UNIT_LINKS_H
#define CHANGE_UNIT_LINKS_H

#include "change/change.h"

/* An array of the paths of those that hang now, aliases too. Masks (to /dev/null) do not hang. */
int unit_links_hanging(const struct host *host, json_t **ret, struct error *err);
/* Remove what hangs and is not in `known` (such an array), and a folder of wants that is empty then. */
int unit_links_remove(const struct host *host, const json_t *known, struct error *err);

#endif
