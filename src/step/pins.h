/* Releases of Sysbox CE that berth knows: where they are and their SHA-256. */
#ifndef STEP_PINS_H
#define STEP_PINS_H

/* Of the release on an architecture (Debian's name); NULL when berth has none. */
const char *sysbox_pin(const char *version, const char *arch);

/* "0.6.7, 0.7.0, 0.7.1" */
const char *sysbox_pinned_versions(void);

/* The official place of a package. free() it; NULL without memory. */
char *sysbox_official_url(const char *version, const char *arch);

#endif
