/*
 * How much a sandbox may use, by who has the first word:
 * what an operator set (`berth quota set`), the annotation or label berth.dev/disk, the engine's own
 * size option, the host's default.
 */
#ifndef SANDBOX_LIMIT_H
#define SANDBOX_LIMIT_H

#include "sandbox/settings.h"

#define LIMIT_MIN ((uint64_t)1 << 20) /* a sandbox that cannot even write its /etc/hosts is a mistake */
#define LIMIT_MAX ((uint64_t)1 << 50) /* as of the settings; far beyond it the kernel's limit would be none at all */

struct limit_sources {
	uint64_t set;		/* of the record; 0: none */
	const char *annotation; /* NULL: none, as the others */
	const char *label;
	const char *engine;
};

struct limit {
	uint64_t bytes;	    /* 0: unlimited */
	const char *source; /* "set", "annotation", "label", "engine", "default" */
};

/* -EINVAL: a value that is no size, too small, too large, or "unlimited" where the host does not allow it. */
int limit_decide(const struct settings *settings, const struct limit_sources *sources,
		 struct limit *ret, struct error *err);

#endif
