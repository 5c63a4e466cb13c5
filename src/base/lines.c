#include "base/lines.h"

#include <string.h>
#include <unistd.h>

#include "base/macros.h"

struct reader {
	lines_fn each;
	void *userdata;
	size_t len; /* of the line so far, less what was cut */
	bool begun; /* a line without an end, maybe an empty one, has been seen */
	char line[LINES_MAX + 1];
};

static int deliver(struct reader *reader)
{
	size_t len = reader->len;

	reader->line[len] = '\0';
	reader->len = 0;
	reader->begun = false;
	return reader->each(reader->userdata, reader->line, len);
}

static int feed(struct reader *reader, const char *data, size_t n)
{
	while (n) {
		const char *end = memchr(data, '\n', n);
		size_t piece = end ? (size_t)(end - data) : n;
		size_t kept = MIN_OF(piece, LINES_MAX - reader->len);
		int r;

		memcpy(reader->line + reader->len, data, kept);
		reader->len += kept;
		reader->begun = true;
		if (end) {
			r = deliver(reader);
			if (r)
				return r;
			piece++;
		}
		data += piece;
		n -= piece;
	}
	return 0;
}

int lines_read_fd(int fd, lines_fn each, void *userdata)
{
	struct reader reader = { .each = each, .userdata = userdata };
	char chunk[16384];
	int r = 0;

	for (;;) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		r = feed(&reader, chunk, (size_t)n);
		if (r)
			return r;
	}
	return reader.begun ? deliver(&reader) : 0;
}
