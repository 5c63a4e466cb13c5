/*
 * Places of a running container that are outside of its project: somebody has tagged them otherwise, or they came after
 * its start. What was noted of its bundle tells where it writes; of one that is not known only what Sysbox keeps is
 * looked at.
 */
#ifndef SANDBOX_DRIFT_H
#define SANDBOX_DRIFT_H

#include "sandbox/settings.h"
#include "sys/mountinfo.h"

struct drift {
	const struct settings *settings;
	int pool;
	int claims; /* negative: there are none */
	const char *notes; /* of bundles */
	bool dry_run;
	/* Each place that is put back (or would be), a path below the pool's top. */
	void (*found)(void *userdata, const char *path);
	struct mount_table mounts; /* MOUNT_TABLE_INIT; read when it is needed, drift_release() it */
};

void drift_release(struct drift *drift);

/* One that fails does not keep the others from being looked at; the first is told. */
int drift_of(struct drift *drift, const char *id, uint32_t project, void *userdata, struct error *err);

#endif
