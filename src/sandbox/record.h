/*
 * What berth remembers of a sandbox: the target of the symbolic link sandboxes/<id> on the pool,
 *
 *     project=1073742001 budget=314572800 set=0 asked=0 outside=0 running=1 boot=5f1c... mgr=...
 *
 * because a link is replaced in one rename that XFS journals as metadata: a start waits for no disk,
 * and after a power cut the record is the old one or the new one, never half of either.
 */
#ifndef SANDBOX_RECORD_H
#define SANDBOX_RECORD_H

#include "base/error.h"

struct record {
	uint32_t project;
	uint64_t budget; /* bytes of the last start, 0: unlimited */
	uint64_t set;	 /* bytes an operator set (`berth quota set`); 0: none did, RECORD_UNLIMITED */
	uint64_t asked;	 /* bytes its annotation asked for at the last start; 0: none, RECORD_UNLIMITED */
	bool outside;	 /* its root file system is not on the pool: not in its budget */
	bool running;	 /* started, and not deleted since; only of worth within the same boot */
	uint64_t boot;	 /* of that start: first half of the kernel's boot id */
	uint64_t mgr;	 /* which sysbox-mgr saw the start; 0: none */
};

#define RECORD_TEXT_MAX 256
#define RECORD_UNLIMITED UINT64_MAX

/* 1 and the record, 0: there is none. A link that is no record is -EBADMSG. */
int record_read(int pool_fd, const char *id, struct record *ret, struct error *err);
int record_write(int pool_fd, const char *id, const struct record *record, struct error *err);
int record_remove(int pool_fd, const char *id, struct error *err);

int record_parse(const char *text, struct record *ret);
void record_format(const struct record *record, char ret[static RECORD_TEXT_MAX]);

/*
 * For whoever reads, changes and writes: nobody else does meanwhile. Held for the time of a few system
 * calls, never while a runtime runs; closing the descriptor gives it back.
 */
int record_lock(int pool_fd, int *ret_fd, struct error *err);

/* Of this boot, and of the sysbox-mgr that is there now (by its socket; 0: none). */
uint64_t record_boot(void);
uint64_t record_mgr(void);

/* Did it run when its record was written, and is that still the same boot? */
bool record_is_running(const struct record *record);

#endif
