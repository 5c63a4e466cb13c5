/*
 * Heal the owners of an upper directory that nobody reverted.
 *
 * Sysbox shifts the owners of a sandbox's upper directory into its user namespace's range when it
 * starts, and the same sysbox-mgr shifts them back when it stops. After a power cut, a crash or a
 * restart of sysbox-mgr nobody does, and a sandbox that is started on such a directory finds its files
 * owned by nobody. (sysbox-libs/idShiftUtils: owners and POSIX ACL entries; mode bits are kept.)
 *
 * Every id in base..base+65535 goes down by base; others are not ours and stay. So it can be cut off
 * and called again, also on a directory whose shift was itself cut off half-way. What a change of owner takes off a
 * file (setuid, setgid, capabilities) it has again afterwards, wherever the cut was (privilege.h).
 */
#ifndef SANDBOX_HEAL_H
#define SANDBOX_HEAL_H

#include "base/error.h"

#define HEAL_RANGE ((uint32_t)65536)

struct heal_report {
	uint64_t entries; /* looked at, the directory itself too */
	uint64_t healed;
};

/*
 * Where Sysbox's range begins: the lowest start of a range of 65536 or more ids that user `sysbox` has
 * in both files (sysbox-mgr's subidAlloc). -ENOENT: it has none.
 */
int heal_base(const char *subuid, const char *subgid, uint32_t *ret_base, struct error *err);

/* Does the directory itself say that it was left shifted? 1, 0 or -errno. */
int heal_needed(int dir_fd, uint32_t base, struct error *err);

/* The directory is done last: until then it says so. `ret` may be NULL. */
int heal_tree(int dir_fd, uint32_t base, struct heal_report *ret, struct error *err);

/* The value of a POSIX ACL xattr with its ids shifted down, in place. 1: it changed; -EINVAL: it is none. */
int heal_acl(void *value, size_t size, uint32_t base);

/* The same of security.capability, of a user namespace whose root is in the range; how long it is then. */
size_t heal_caps(void *value, size_t size, uint32_t base);

#endif
