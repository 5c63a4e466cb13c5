#include "engine/docker_logs.h"

enum { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAM_ENGINE, STREAMS };

#define TROUBLE_CAP 512

static struct strbuf *stream_of(struct docker_demux *demux, size_t *ret_cap)
{
	*ret_cap = demux->cap;
	if (demux->raw)
		return demux->out;
	switch (demux->header[0]) {
	case STREAM_ERR:
		return demux->err_out;
	case STREAM_ENGINE:
		*ret_cap = TROUBLE_CAP;
		return &demux->trouble;
	default:
		return demux->out;
	}
}

static int keep(struct docker_demux *demux, const char *data, size_t len)
{
	size_t cap;
	struct strbuf *sb = stream_of(demux, &cap);

	strbuf_add(sb, data, MIN_OF(len, cap - MIN_OF(cap, sb->len)));
	return strbuf_failed(sb) ? -ENOMEM : 0;
}

static int header_complete(struct docker_demux *demux)
{
	const unsigned char *h = demux->header;

	if (h[0] >= STREAMS || h[1] || h[2] || h[3])
		return -EPROTO;
	demux->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	return 0;
}

int docker_demux_feed(struct docker_demux *demux, const void *data, size_t len)
{
	const char *p = data;
	int r = 0;

	if (demux->raw)
		return keep(demux, p, len);
	while (len && r == 0) {
		size_t n;

		if (demux->left == 0 && demux->header_len == sizeof(demux->header))
			demux->header_len = 0;
		if (demux->header_len < sizeof(demux->header)) {
			n = MIN_OF(len, sizeof(demux->header) - demux->header_len);
			memcpy(demux->header + demux->header_len, p, n);
			demux->header_len += n;
			if (demux->header_len == sizeof(demux->header))
				r = header_complete(demux);
		} else {
			n = MIN_OF(len, (size_t)demux->left);
			r = keep(demux, p, n);
			demux->left -= (uint32_t)n;
		}
		p += n;
		len -= n;
	}
	return r;
}

int docker_demux_end(const struct docker_demux *demux)
{
	if (demux->left || (demux->header_len && demux->header_len < sizeof(demux->header)))
		return -EPROTO;
	return demux->trouble.len ? -EIO : 0;
}

void docker_demux_release(struct docker_demux *demux)
{
	strbuf_release(&demux->trouble);
}
