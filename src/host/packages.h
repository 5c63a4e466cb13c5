/*
 * What the package manager says is installed. dpkg's status file is read directly (one file, no
 * process); on RPM hosts `rpm -q` is asked.
 */
#ifndef HOST_PACKAGES_H
#define HOST_PACKAGES_H

#include "host/host.h"
#include "host/os.h"

struct package {
	char *name;
	char *spec; /* "name:amd64", as dpkg wants it where a name alone may be ambiguous */
	char *version;
	bool installed;	  /* unpacked and configured */
	bool triggers;	  /* installed, and triggers of it (or for it) are still to run */
	bool broken;	  /* half-installed, unpacked, half-configured... */
	bool unpacked;	  /* broken, and all it lacks is to be configured */
	bool configured_only; /* removed, its configuration files are still there */
};

struct package_db {
	struct package *items; /* sorted by name */
	size_t len;
};

void package_db_release(struct package_db *db);

/* Text of a dpkg status file. */
int package_db_parse(const char *text, size_t len, struct package_db *ret, struct error *err);

/* Of the host, by family; PACKAGES_NONE gives an empty one. */
int package_db_read(const struct host *host, enum package_family family, struct package_db *ret,
		    struct error *err);

/*
 * Was dpkg cut off in the middle? What it did last lies beside its status file then, which is behind,
 * and apt refuses to work until a `dpkg --configure -a` has put the two together.
 */
bool package_db_interrupted(const struct host *host);

/* NULL when the database does not know it. */
const struct package *package_db_find(const struct package_db *db, const char *name);
bool package_db_installed(const struct package_db *db, const char *name);
/* ... and of a version that package_version_is_of() this one. */
bool package_db_has(const struct package_db *db, const char *name, const char *version);

/* dpkg's order of versions (deb-version(7)): negative, 0, positive. */
int package_version_compare(const char *a, const char *b);

/* Does it begin with that one? "1.34" is of "1.34.0-1.1", and not of "1.340". */
bool package_version_is_of(const char *version, const char *begin);

#endif
