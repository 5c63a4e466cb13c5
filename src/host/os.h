/* Which operating system the host runs: os-release(5), the machine's architecture. */
#ifndef HOST_OS_H
#define HOST_OS_H

#include "base/strv.h"
#include "host/host.h"

enum package_family {
	PACKAGES_NONE, /* none we know */
	PACKAGES_APT,
	PACKAGES_DNF,
};

struct os {
	char *id;	   /* "debian", "ubuntu", "rhel", "amzn", "cos"... "" when unknown */
	struct strv like;  /* ID_LIKE */
	char *version;	   /* VERSION_ID, "" for testing releases */
	char *codename;	   /* "bookworm" */
	char *pretty;	   /* for people */
	char *arch;	   /* uname's: "x86_64", "aarch64" */
	char *kernel;	   /* uname -r */
	enum package_family packages;
};

void os_clear(struct os *os);

/* The text of an os-release file; unknown keys are skipped, a bad line is -EINVAL with its number. */
int os_parse(const char *text, size_t len, struct os *ret, struct error *err);

/* Of the host: /etc/os-release, else /usr/lib/os-release; none of them is not an error (id is ""). */
int os_read(const struct host *host, struct os *ret, struct error *err);

bool os_is(const struct os *os, const char *id); /* its id, or one it is like */

/* Debian's name of the architecture ("amd64", "arm64"), NULL for one Sysbox has no package for. */
const char *os_deb_arch(const struct os *os);

#endif
