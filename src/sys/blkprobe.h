/*
 * What is on a block device or in an image, by libblkid's low-level probing: superblocks and
 * partition tables, damaged ones included, ambivalence reported.
 *
 * Whoever is about to format asks for `blank`, or for no type, no table, not ambivalent and a good
 * reason to overwrite the rest: libblkid cannot know every format there is.
 */
#ifndef SYS_BLKPROBE_H
#define SYS_BLKPROBE_H

#include "base/error.h"

struct blkprobe {
	char type[32];	/* "xfs", "ext4", "crypto_LUKS"..., "" when nothing is recognised */
	char uuid[40];	/* "" when it has none */
	char label[64]; /* cut where it is longer */
	char partition_table[16]; /* "gpt", "dos", "" */
	bool damaged;		  /* its checksum is wrong (where libblkid checks it) */
	bool ambivalent;	  /* more than one signature: nothing safe to say, type "" */
	bool blank;		  /* the first and last MiB are all zero (an empty file too) */
	uint64_t size;		  /* bytes */
};

/* `fd` is a readable block device or regular file; its file offset moves. Reads only. */
int blkprobe_fd(int fd, struct blkprobe *ret, struct error *err);

#endif
