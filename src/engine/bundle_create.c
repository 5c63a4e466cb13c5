#include "engine/bundle.h"

#include <fcntl.h>

#include "engine/bundle_read.h"
#include "engine/stream.h"
#include "engine/tar.h"

struct packing {
	const struct host *host;
	const char *path; /* of the bundle */
	char *part;
	int fd;
	struct stream stream;
};

static void packing_release(struct packing *p)
{
	fd_closep(&p->fd);
	free(p->part);
}

static const char *name_of(const struct bundle_source *source)
{
	const char *slash = strrchr(source->path, '/');

	return slash ? slash + 1 : source->path;
}

static int open_source(const struct host *host, const char *path, uint64_t *ret_size,
		       struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return error_errno(err, fd, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", path);
	if ((uint64_t)st.st_size > BUNDLE_FILE_CAP)
		return error_set(err, EFBIG, "'%s' is larger than 1 GiB, too much for a bundle",
				 path);
	*ret_size = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

static int describe(const struct host *host, const struct bundle_source *source,
		    struct bundle_file *ret, struct error *err)
{
	const char *name = name_of(source);
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!bundle_name_valid(name))
		return error_set(err, EINVAL, "'%s' is not a name for a file in a bundle", name);
	fd = open_source(host, source->path, &ret->size, err);
	if (fd < 0)
		return fd;
	r = digest_fd(fd, ret->sha256, err);
	if (r < 0)
		return error_context(err, "read '%s'", source->path);
	ret->role = source->role;
	ret->name = strdup(name);
	return ret->name ? 0 : error_errno(err, ENOMEM, "read '%s'", source->path);
}

static int make_manifest(const struct host *host, const struct bundle_source *sources, size_t count,
			 const char *suite, const char *arch, struct bundle_manifest *ret,
			 struct error *err)
{
	if (!bundle_word_valid(suite) || !bundle_word_valid(arch))
		return error_set(err, EINVAL, "'%s' and '%s' are not a suite and an architecture",
				 suite, arch);
	if (count == 0 || count > BUNDLE_FILES_MAX)
		return error_set(err, EINVAL, "a bundle of %zu files cannot be made", count);
	ret->suite = strdup(suite);
	ret->arch = strdup(arch);
	ret->created_by = strdup("berth " BERTH_VERSION);
	ret->files = calloc(count, sizeof(*ret->files));
	if (!ret->suite || !ret->arch || !ret->created_by || !ret->files)
		return error_errno(err, ENOMEM, "make a bundle");
	for (size_t i = 0; i < count; i++) {
		int r = describe(host, &sources[i], &ret->files[i], err);

		if (r < 0)
			return r;
		ret->file_count++;
	}
	return bundle_manifest_sort(ret, err);
}

static int put(const struct packing *p, const void *data, size_t len, struct error *err)
{
	int r = file_write_all(p->fd, data, len);

	return r < 0 ? error_errno(err, r, "write '%s'", p->part) : 0;
}

static int put_zeros(const struct packing *p, size_t len, struct error *err)
{
	static const char ZEROS[TAR_END];

	return put(p, ZEROS, len, err);
}

static int put_header(const struct packing *p, const char *name, uint64_t size, struct error *err)
{
	unsigned char header[TAR_BLOCK];
	int r = tar_header(name, TAR_FILE, 0644, size, header);

	if (r < 0)
		return error_errno(err, r, "put '%s' into a bundle", name);
	return put(p, header, sizeof(header), err);
}

static int put_text(const struct packing *p, const char *name, const char *text, size_t len,
		    struct error *err)
{
	int r = put_header(p, name, len, err);

	if (r == 0)
		r = put(p, text, len, err);
	return r == 0 ? put_zeros(p, tar_padding(len), err) : r;
}

static int put_file(struct packing *p, const char *path, const struct bundle_file *file,
		    struct error *err)
{
	_cleanup_fd_ int fd = -EBADF;
	char got[DIGEST_HEX_MAX];
	uint64_t size = 0;
	int r;

	fd = open_source(p->host, path, &size, err);
	if (fd < 0)
		return fd;
	r = put_header(p, file->name, file->size, err);
	if (r < 0)
		return r;
	p->stream.in = fd;
	p->stream.in_name = path;
	r = stream_copy(&p->stream, file->size, got, err);
	if (r == -ENODATA || (r == 0 && (size != file->size || strcmp(got, file->sha256) != 0)))
		return error_set(err, EAGAIN, "'%s' was changed while it was put into the bundle",
				 path);
	return r == 0 ? put_zeros(p, tar_padding(file->size), err) : r;
}

static const char *path_of(const struct bundle_source *sources, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(name_of(&sources[i]), name) == 0)
			return sources[i].path;
	}
	return name; /* not reached: the manifest was made of these */
}

static int pack(struct packing *p, const struct bundle_manifest *manifest,
		const struct bundle_source *sources, struct error *err)
{
	_cleanup_(strbuf_release) struct strbuf text = STRBUF_INIT;
	char checksum[BUNDLE_CHECKSUM_LEN + 1];
	int r = bundle_manifest_format(manifest, &text);

	if (r < 0)
		return error_errno(err, r, "make a bundle");
	bundle_checksum_text(text.data, text.len, checksum);
	r = put_text(p, BUNDLE_MANIFEST, text.data, text.len, err);
	for (size_t i = 0; r == 0 && i < manifest->file_count; i++) {
		const struct bundle_file *file = &manifest->files[i];

		r = put_file(p, path_of(sources, manifest->file_count, file->name), file, err);
	}
	if (r == 0)
		r = put_text(p, BUNDLE_CHECKSUM, checksum, BUNDLE_CHECKSUM_LEN, err);
	return r == 0 ? put_zeros(p, TAR_END, err) : r;
}

static int sync_parent(const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_fd_ int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, dir ? errno : ENOMEM, "sync the directory of '%s'", path);
	return 0;
}

static int put_in_place(const struct packing *p, struct error *err)
{
	if (fsync(p->fd) < 0)
		return error_errno(err, errno, "write '%s'", p->part);
	if (rename(p->part, p->path) < 0)
		return error_errno(err, errno, "put '%s' in place", p->path);
	return sync_parent(p->path, err);
}

static int open_part(struct packing *p, struct error *err)
{
	p->part = xasprintf("%s.part", p->path);
	if (!p->part)
		return error_errno(err, ENOMEM, "write '%s'", p->path);
	p->fd = open(p->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (p->fd < 0)
		return error_errno(err, errno, "write '%s'", p->part);
	p->stream.out = p->fd;
	p->stream.out_name = p->part;
	return 0;
}

int bundle_create(const struct host *host, const struct bundle_source *sources, size_t count,
		  const char *suite, const char *arch, const char *bundle_path,
		  const struct progress *progress, struct error *err)
{
	_cleanup_(bundle_manifest_release) struct bundle_manifest manifest = BUNDLE_MANIFEST_INIT;
	_cleanup_(packing_release) struct packing p = {
		.host = host,
		.path = bundle_path,
		.fd = -EBADF,
		.stream = { .progress = progress },
	};
	int r = make_manifest(host, sources, count, suite, arch, &manifest, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < manifest.file_count; i++)
		p.stream.total += manifest.files[i].size;
	r = open_part(&p, err);
	if (r < 0)
		return r;
	r = pack(&p, &manifest, sources, err);
	if (r == 0)
		r = put_in_place(&p, err);
	if (r < 0)
		(void)unlink(p.part);
	return r;
}
