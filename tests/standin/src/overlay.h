/* Mounted overlay file systems as /proc/self/mountinfo tells of them. */
#ifndef STANDIN_OVERLAY_H
#define STANDIN_OVERLAY_H

#include "common.h"

struct overlay {
	/* Colon-separated, top first, absolute. */
	char *lower;
	char *upper;
	char *work;
	/* ",name=value" for each further option that a second mount of the same layers needs. */
	char *rest;
};

void overlay_release(struct overlay *overlay);

/* 1: `path` is the mount point of one; 0: it is not. */
int overlay_find(const char *path, struct overlay *ret, struct failure *f);

/* The mount points strictly below `path`, last mounted first; call with a function that detaches
 * one. */
int mounts_below(const char *path, int (*each)(const char *mount_point, struct failure *f),
		 struct failure *f);

#endif
