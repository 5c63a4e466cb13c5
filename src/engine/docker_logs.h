/*
 * Docker's multiplexed output stream: frames of an 8-byte header (stream 0-3, three zeros, length
 * big-endian) and so many bytes. Fed in pieces of any size; constant memory but for the output.
 */
#ifndef ENGINE_DOCKER_LOGS_H
#define ENGINE_DOCKER_LOGS_H

#include "base/strbuf.h"

struct docker_demux {
	struct strbuf *out, *err_out; /* borrowed; streams 0 and 1, stream 2 */
	size_t cap;		      /* bytes kept of each, the rest is dropped */
	bool raw;		      /* no frames: all to `out` */

	unsigned char header[8]; /* private from here */
	size_t header_len;
	uint32_t left;	       /* of the frame's bytes */
	struct strbuf trouble; /* stream 3: what the engine itself has to report */
};

/* 0; -EPROTO for what is no such stream, -ENOMEM. */
int docker_demux_feed(struct docker_demux *demux, const void *data, size_t len);

/* The stream is over: -EPROTO in the middle of a frame, -EIO where the engine reported an error. */
int docker_demux_end(const struct docker_demux *demux);

void docker_demux_release(struct docker_demux *demux);

#endif
