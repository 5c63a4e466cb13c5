/*
 * Copy so many bytes from one descriptor to another (or to nowhere) with their SHA-256, 64 KiB at a
 * time. What a bundle of any size is read and written with, in constant memory.
 */
#ifndef ENGINE_STREAM_H
#define ENGINE_STREAM_H

#include "base/digest.h"
#include "base/progress.h"

struct stream {
	int in;		     /* both borrowed, at their current offsets */
	const char *in_name; /* for messages */
	int out;	     /* negative: only read */
	const char *out_name;
	const struct progress *progress;
	uint64_t done, total; /* for progress: `done` is added to */
};

/* -ENODATA: `in` ends before; others as read and write give them. */
int stream_copy(struct stream *stream, uint64_t len, char ret_hex[static DIGEST_HEX_MAX],
		struct error *err);

#endif
