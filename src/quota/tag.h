/*
 * Put a directory and all that is in it into a project.
 *
 * The directory itself is tagged last: a directory that has the project, and hands it on, is known to
 * be done, whatever was cut off before. Nothing is followed and no mount is entered. What cannot be
 * opened (symbolic links, devices, FIFOs, sockets) cannot be tagged, and could then not be renamed
 * inside of a tagged directory (EXDEV): such a one is made anew in a directory beside, and renamed over
 * the old one.
 */
#ifndef QUOTA_TAG_H
#define QUOTA_TAG_H

#include "base/error.h"

/* Is it there already, and inherited by what is made in it? 1, 0 or -errno. */
int tag_holds(int dir_fd, uint32_t project, struct error *err);

/* The directory beside: seldom needed, so made when it is. It stays the caller's, who empties it. */
struct tag_side {
	/* An empty directory of the same mount, opened (no O_PATH); negative with a sentence. */
	int (*open)(struct tag_side *side, struct error *err);
	int fd; /* what it returned, -EBADF before */
};

/*
 * `dir_fd` is an open directory (no O_PATH). Any failure leaves the directory untagged, and the next
 * call begins again.
 */
int tag_tree(int dir_fd, struct tag_side *side, uint32_t project, struct error *err);

#endif
