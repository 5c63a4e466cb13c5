#include "engine/download_part.h"

#include <fcntl.h>

#define FROM_CAP 4096

/* "URL's SHA-256, a blank, the validator": what the part's bytes belong to. */
static bool read_from(struct download_part *part)
{
	_cleanup_free_ char *text = NULL;
	const size_t n = DIGEST_HEX_MAX - 1;
	size_t len;

	if (host_read(part->host, part->from_path, FROM_CAP, &text, &len) < 0)
		return false;
	if (len < n + 2 || memcmp(text, part->source, n) != 0 || text[n] != ' ' ||
	    text[len - 1] != '\n')
		return false;
	text[len - 1] = '\0';
	if (strpbrk(text, "\r\n"))
		return false;
	free(part->validator);
	part->validator = text[n + 1] ? strdup(text + n + 1) : NULL;
	return true;
}

static int write_from(const struct download_part *part, struct error *err)
{
	_cleanup_free_ char *text =
		xasprintf("%s %s\n", part->source, part->validator ? part->validator : "");
	const struct file_attrs attrs = { .mode = 0600, .uid = geteuid(), .gid = getegid() };

	if (!text)
		return error_errno(err, ENOMEM, "write '%s'", part->from_path);
	return host_write(part->host, part->from_path, text, strlen(text), &attrs, err);
}

static int open_file(struct download_part *part, struct error *err)
{
	struct stat st;

	part->fd = host_open(part->host, part->path,
			     O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0644);
	if (part->fd < 0)
		return error_errno(err, part->fd, "open '%s'", part->path);
	if (fstat(part->fd, &st) < 0)
		return error_errno(err, errno, "look at '%s'", part->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", part->path);
	part->have = (uint64_t)st.st_size;
	return 0;
}

int download_part_open(const struct host *host, const char *dest_path, const char *url,
		       struct download_part *ret, struct error *err)
{
	_cleanup_(download_part_release) struct download_part part = DOWNLOAD_PART_INIT;
	int r;

	part.host = host;
	part.path = xasprintf("%s.part", dest_path);
	part.from_path = xasprintf("%s.part.from", dest_path);
	if (!part.path || !part.from_path)
		return error_errno(err, ENOMEM, "download to '%s'", dest_path);
	digest_hex(url, strlen(url), part.source);
	r = open_file(&part, err);
	if (r < 0)
		return r;
	if (part.have && !read_from(&part)) {
		if (ftruncate(part.fd, 0) < 0)
			return error_errno(err, errno, "empty '%s'", part.path);
		part.have = 0;
	}
	*ret = part;
	part = DOWNLOAD_PART_INIT;
	return 0;
}

void download_part_release(struct download_part *part)
{
	fd_closep(&part->fd);
	free(part->path);
	free(part->from_path);
	free(part->validator);
	*part = DOWNLOAD_PART_INIT;
}

int download_part_restart(struct download_part *part, const char *validator, struct error *err)
{
	char *copy = validator ? strdup(validator) : NULL;

	if (validator && !copy)
		return error_errno(err, ENOMEM, "write '%s'", part->path);
	free(part->validator);
	part->validator = copy;
	if (ftruncate(part->fd, 0) < 0)
		return error_errno(err, errno, "empty '%s'", part->path);
	part->have = 0;
	return write_from(part, err);
}

int download_part_add(struct download_part *part, const void *data, size_t len, struct error *err)
{
	int r = 0;

	if (lseek(part->fd, (off_t)part->have, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = file_write_all(part->fd, data, len);
	if (r < 0)
		return error_errno(err, r, "write '%s'", part->path);
	part->have += len;
	return 0;
}

int download_part_digest(const struct download_part *part, char ret[static DIGEST_HEX_MAX],
			 struct error *err)
{
	if (lseek(part->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "read '%s'", part->path);
	return digest_fd(part->fd, ret, err);
}

int download_part_finish(struct download_part *part, const char *dest_path, struct error *err)
{
	int r;

	if (fchmod(part->fd, 0644) < 0 || fsync(part->fd) < 0)
		return error_errno(err, errno, "write '%s'", part->path);
	r = host_rename(part->host, part->path, dest_path, err);
	return r < 0 ? r : host_remove(part->host, part->from_path, err);
}

void download_part_remove(struct download_part *part)
{
	(void)host_remove(part->host, part->path, NULL);
	(void)host_remove(part->host, part->from_path, NULL);
}
