#include "engine/bundle_read.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "engine/stream.h"
#include "engine/tar.h"

void bundle_reader_release(struct bundle_reader *reader)
{
	fd_closep(&reader->fd);
	free(reader->path);
	free(reader->text);
	bundle_manifest_release(&reader->manifest);
	*reader = BUNDLE_READER_INIT;
}

void bundle_checksum_text(const char *manifest, size_t len,
			  char ret[static BUNDLE_CHECKSUM_LEN + 1])
{
	char hex[DIGEST_HEX_MAX];

	digest_hex(manifest, len, hex);
	(void)snprintf(ret, BUNDLE_CHECKSUM_LEN + 1, "%s  %s\n", hex, BUNDLE_MANIFEST);
}

/* The next `len` bytes, all of them. */
static int read_exactly(const struct bundle_reader *reader, void *buf, size_t len,
			struct error *err)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(reader->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "read '%s'", reader->path);
		if (n == 0)
			return error_set(err, EBADMSG, "the bundle '%s' is truncated",
					 reader->path);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int expect_zeros(const struct bundle_reader *reader, size_t len, struct error *err)
{
	static const unsigned char ZEROS[TAR_END];
	unsigned char buf[TAR_END];
	int r = read_exactly(reader, buf, len, err);

	if (r < 0)
		return r;
	if (memcmp(buf, ZEROS, len) != 0)
		return error_set(err, EBADMSG, "the bundle '%s' is damaged between its files",
				 reader->path);
	return 0;
}

/* The header that must come here, to the bit: nothing but what bundle_create writes is a bundle. */
static int expect_header(const struct bundle_reader *reader, const char *name, uint64_t size,
			 struct error *err)
{
	unsigned char want[TAR_BLOCK], got[TAR_BLOCK];
	struct tar_entry entry;
	int r = tar_header(name, TAR_FILE, 0644, size, want);

	if (r < 0)
		return error_errno(err, r, "read '%s' in the bundle '%s'", name, reader->path);
	r = read_exactly(reader, got, sizeof(got), err);
	if (r < 0)
		return r;
	if (memcmp(want, got, sizeof(want)) == 0)
		return 0;
	if (tar_parse_header(got, &entry) == 0 && strcmp(entry.name, name) != 0)
		return error_set(err, EBADMSG, "in the bundle '%s' is '%s' where '%s' should be",
				 reader->path, entry.name, name);
	return error_set(err, EBADMSG, "the bundle '%s' is damaged before '%s'", reader->path,
			 name);
}

static int expect_bytes(const struct bundle_reader *reader, const char *what, const char *want,
			size_t len, struct error *err)
{
	_cleanup_free_ char *got = malloc(len ? len : 1);
	int r;

	if (!got)
		return error_errno(err, ENOMEM, "read the bundle '%s'", reader->path);
	r = read_exactly(reader, got, len, err);
	if (r < 0)
		return r;
	if (memcmp(got, want, len) != 0)
		return error_set(err, EBADMSG, "%s of the bundle '%s' is not what it should be",
				 what, reader->path);
	return expect_zeros(reader, tar_padding(len), err);
}

static int open_bundle(struct bundle_reader *reader, struct error *err)
{
	struct stat st;

	reader->fd = open(reader->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (reader->fd < 0)
		return error_errno(err, errno, "open the bundle '%s'", reader->path);
	if (fstat(reader->fd, &st) < 0)
		return error_errno(err, errno, "look at the bundle '%s'", reader->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EBADMSG, "'%s' is not a bundle but no regular file at all",
				 reader->path);
	reader->size = (uint64_t)st.st_size;
	return 0;
}

static int read_manifest(struct bundle_reader *reader, struct error *err)
{
	unsigned char block[TAR_BLOCK];
	struct tar_entry entry;
	int r;

	if (reader->size < sizeof(block))
		return error_set(err, EBADMSG, "'%s' is not a berth bundle (%" PRIu64 " bytes)",
				 reader->path, reader->size);
	r = read_exactly(reader, block, sizeof(block), err);
	if (r < 0)
		return r;
	if (tar_parse_header(block, &entry) < 0 || entry.type != TAR_FILE ||
	    strcmp(entry.name, BUNDLE_MANIFEST) != 0 || entry.size > BUNDLE_MANIFEST_CAP)
		return error_set(err, EBADMSG, "'%s' is not a berth bundle", reader->path);
	reader->text_len = (size_t)entry.size;
	reader->text = malloc(reader->text_len + 1);
	if (!reader->text)
		return error_errno(err, ENOMEM, "read the bundle '%s'", reader->path);
	r = read_exactly(reader, reader->text, reader->text_len, err);
	if (r < 0)
		return r;
	reader->text[reader->text_len] = '\0';
	r = bundle_manifest_parse(reader->text, reader->text_len, &reader->manifest, err);
	return r < 0 ? error_context(err, "bundle '%s'", reader->path) : 0;
}

static uint64_t member_size(uint64_t size)
{
	return TAR_BLOCK + size + tar_padding(size);
}

/* Most damage shows here, before gigabytes are read. */
static int check_size(const struct bundle_reader *reader, struct error *err)
{
	uint64_t want = member_size(reader->text_len) + member_size(BUNDLE_CHECKSUM_LEN) + TAR_END;

	for (size_t i = 0; i < reader->manifest.file_count; i++)
		want += member_size(reader->manifest.files[i].size);
	if (reader->size < want)
		return error_set(err, EBADMSG,
				 "the bundle '%s' is truncated: %" PRIu64 " of %" PRIu64 " bytes",
				 reader->path, reader->size, want);
	if (reader->size > want)
		return error_set(err, EBADMSG,
				 "the bundle '%s' has %" PRIu64
				 " bytes more than its manifest says",
				 reader->path, reader->size - want);
	return 0;
}

int bundle_reader_open(const char *path, struct bundle_reader *ret, struct error *err)
{
	_cleanup_(bundle_reader_release) struct bundle_reader reader = BUNDLE_READER_INIT;
	int r;

	reader.path = strdup(path);
	if (!reader.path)
		return error_errno(err, ENOMEM, "open the bundle '%s'", path);
	r = open_bundle(&reader, err);
	if (r == 0)
		r = read_manifest(&reader, err);
	if (r == 0)
		r = check_size(&reader, err);
	if (r < 0)
		return r;
	*ret = reader;
	reader = BUNDLE_READER_INIT;
	return 0;
}

struct walk {
	const struct bundle_reader *reader;
	bundle_open_fn open_file;
	void *userdata;
	struct stream stream;
};

static int walk_file(struct walk *walk, const struct bundle_file *file, struct error *err)
{
	const struct bundle_reader *reader = walk->reader;
	_cleanup_fd_ int out = -EBADF;
	char got[DIGEST_HEX_MAX];
	int r = expect_header(reader, file->name, file->size, err);

	if (r < 0)
		return r;
	if (walk->open_file) {
		out = walk->open_file(walk->userdata, file, err);
		if (out < 0)
			return out;
	}
	walk->stream.out = out;
	walk->stream.out_name = file->name;
	r = stream_copy(&walk->stream, file->size, got, err);
	if (r == -ENODATA)
		return error_set(err, EBADMSG, "the bundle '%s' is truncated in '%s'", reader->path,
				 file->name);
	if (r < 0)
		return r;
	if (strcmp(got, file->sha256) != 0)
		return error_set(err, EBADMSG,
				 "'%s' in the bundle '%s' is damaged: expected SHA-256 %s, got %s",
				 file->name, reader->path, file->sha256, got);
	if (out >= 0 && fsync(out) < 0)
		return error_errno(err, errno, "write '%s'", file->name);
	return expect_zeros(reader, tar_padding(file->size), err);
}

static int expect_end(const struct bundle_reader *reader, struct error *err)
{
	char checksum[BUNDLE_CHECKSUM_LEN + 1];
	char more;
	int r = expect_header(reader, BUNDLE_CHECKSUM, BUNDLE_CHECKSUM_LEN, err);

	bundle_checksum_text(reader->text, reader->text_len, checksum);
	if (r == 0)
		r = expect_bytes(reader, BUNDLE_CHECKSUM, checksum, BUNDLE_CHECKSUM_LEN, err);
	if (r == 0)
		r = expect_zeros(reader, TAR_END, err);
	if (r == 0 && read(reader->fd, &more, 1) != 0)
		return error_set(err, EBADMSG, "the bundle '%s' does not end where it should",
				 reader->path);
	return r;
}

int bundle_reader_walk(const struct bundle_reader *reader, bundle_open_fn open_file, void *userdata,
		       const struct progress *progress, struct error *err)
{
	struct walk walk = {
		.reader = reader,
		.open_file = open_file,
		.userdata = userdata,
		.stream = { .in = reader->fd, .in_name = reader->path, .progress = progress },
	};
	int r;

	for (size_t i = 0; i < reader->manifest.file_count; i++)
		walk.stream.total += reader->manifest.files[i].size;
	if (lseek(reader->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "read the bundle '%s'", reader->path);
	r = expect_header(reader, BUNDLE_MANIFEST, reader->text_len, err);
	if (r == 0)
		r = expect_bytes(reader, BUNDLE_MANIFEST, reader->text, reader->text_len, err);
	for (size_t i = 0; r == 0 && i < reader->manifest.file_count; i++)
		r = walk_file(&walk, &reader->manifest.files[i], err);
	return r == 0 ? expect_end(reader, err) : r;
}
