/*
 * What berth-runc and the stash go by: /etc/berth/runc.conf, `key = value` lines and # comments.
 *
 * berth install writes it from the settings of the host, as a file that a runtime can read when
 * nothing else of berth is there. No file means the defaults; one that is not understood is an error:
 * a budget that is misread must not become no budget.
 */
#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include "base/error.h"
#include "quota/claim.h"

#define SETTINGS_PATH "/etc/berth/runc.conf"
#define SETTINGS_PATH_MAX 512

struct settings {
	char runtime[SETTINGS_PATH_MAX]; /* the real runtime */
	char pool[SETTINGS_PATH_MAX];	 /* where the pool is mounted */
	char engine[SETTINGS_PATH_MAX];	 /* Docker's data root, as Docker has it; "" without Docker */
	char kubelet[SETTINGS_PATH_MAX]; /* kubelet's folder; "" where no pods are sandboxes */
	char image[SETTINGS_PATH_MAX];	 /* the pool's image, "" for a device */
	uint64_t floor;			 /* bytes that must be free beside a sparse image for a sandbox to start */
	uint64_t budget;		 /* bytes, of a sandbox that nobody gave another; 0: unlimited */
	bool allow_unlimited;
	uint64_t bytes_per_inode;
	struct project_range projects;
};

/* The defaults, as without a file. */
struct settings settings_default(void);

/* -EINVAL with the number of the line. `ret` is untouched on failure. */
int settings_parse(const char *text, size_t len, const char *path, struct settings *ret,
		   struct error *err);

int settings_read(const char *path, struct settings *ret, struct error *err);

/* The text settings_parse reads back. free() it; NULL without memory. */
char *settings_text(const struct settings *settings);

#endif
