#include "engine/bundle.h"

#include <dirent.h>
#include <fcntl.h>

#include "engine/bundle_read.h"
#include "engine/stream.h"
#include "engine/tar.h"

static void manifest_move(struct bundle_manifest *from, struct bundle_manifest *ret)
{
	if (!ret)
		return;
	*ret = *from;
	*from = BUNDLE_MANIFEST_INIT;
}

int bundle_verify(const char *bundle_path, const struct progress *progress,
		  struct bundle_manifest *ret, struct error *err)
{
	_cleanup_(bundle_reader_release) struct bundle_reader reader = BUNDLE_READER_INIT;
	int r = bundle_reader_open(bundle_path, &reader, err);

	if (r == 0)
		r = bundle_reader_walk(&reader, NULL, NULL, progress, err);
	if (r == 0)
		manifest_move(&reader.manifest, ret);
	return r;
}

/* The entries of a directory, from its first; `fd` stays the caller's. */
static DIR *list_dir(int fd)
{
	_cleanup_fd_ int mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	DIR *d = mine >= 0 ? fdopendir(mine) : NULL;

	if (d) {
		(void)TAKE_FD(mine);
		rewinddir(d);
	}
	return d;
}

static void dir_closep(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

static struct dirent *next_entry(DIR *d)
{
	struct dirent *e;

	do {
		e = readdir(d);
	} while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	return e;
}

/* Only files, and the manifest among them: an earlier extraction. Or nothing at all. */
static int check_replaceable(int fd, const char *dir, struct error *err)
{
	_cleanup_(dir_closep) DIR *d = list_dir(fd);
	bool empty = true, plain = true, manifest = false;
	struct dirent *e;

	if (!d)
		return error_errno(err, errno, "look into '%s'", dir);
	while ((e = next_entry(d))) {
		struct stat st;

		empty = false;
		manifest = manifest || strcmp(e->d_name, BUNDLE_MANIFEST) == 0;
		plain = plain && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode);
	}
	if (empty || (plain && manifest))
		return 0;
	return error_set(err, EEXIST, "'%s' is there already and is not of a bundle", dir);
}

static int remove_files(int fd, const char *dir, struct error *err)
{
	_cleanup_(dir_closep) DIR *d = list_dir(fd);
	struct dirent *e;

	if (!d)
		return error_errno(err, errno, "look into '%s'", dir);
	while ((e = next_entry(d))) {
		if (unlinkat(fd, e->d_name, 0) < 0)
			return error_errno(err, errno, "remove '%s/%s'", dir, e->d_name);
	}
	return 0;
}

/* A directory of an earlier extraction, complete or not. Absent is fine. */
static int remove_dir(const struct host *host, const char *dir, bool ours, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int r = 0;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, fd, "open the directory '%s'", dir);
	if (!ours)
		r = check_replaceable(fd, dir, err);
	if (r == 0)
		r = remove_files(fd, dir, err);
	if (r < 0)
		return r;
	r = host_rmdir(host, dir);
	return r < 0 ? error_errno(err, r, "remove '%s'", dir) : 0;
}

struct extraction {
	const struct host *host;
	const char *dir;
};

static int open_extracted(void *userdata, const struct bundle_file *file, struct error *err)
{
	const struct extraction *x = userdata;
	_cleanup_free_ char *path = xasprintf("%s/%s", x->dir, file->name);
	int fd;

	if (!path)
		return error_errno(err, ENOMEM, "write '%s'", file->name);
	fd = host_open(x->host, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	return fd < 0 ? error_errno(err, fd, "write '%s'", path) : fd;
}

/* All of it into an empty directory `part`, the manifest last. */
static int fill(const struct host *host, const struct bundle_reader *reader, const char *part,
		const struct progress *progress, struct error *err)
{
	const struct file_attrs attrs = { .mode = 0644, .uid = geteuid(), .gid = getegid() };
	_cleanup_free_ char *manifest = xasprintf("%s/%s", part, BUNDLE_MANIFEST);
	struct extraction x = { .host = host, .dir = part };
	int r;

	if (!manifest)
		return error_errno(err, ENOMEM, "write '%s'", part);
	r = host_mkdirs(host, part, 0755, NULL, err);
	if (r == 0)
		r = bundle_reader_walk(reader, open_extracted, &x, progress, err);
	if (r == 0)
		r = host_write(host, manifest, reader->text, reader->text_len, &attrs, err);
	return r;
}

int bundle_extract(const struct host *host, const char *bundle_path, const char *dir,
		   const struct progress *progress, struct bundle_manifest *ret, struct error *err)
{
	_cleanup_(bundle_reader_release) struct bundle_reader reader = BUNDLE_READER_INIT;
	_cleanup_free_ char *part = xasprintf("%s.part", dir);
	int r;

	if (!part)
		return error_errno(err, ENOMEM, "extract the bundle '%s'", bundle_path);
	r = bundle_reader_open(bundle_path, &reader, err);
	if (r == 0)
		r = bundle_reader_walk(&reader, NULL, NULL, progress, err);
	if (r == 0)
		r = remove_dir(host, part, true, err);
	if (r < 0)
		return r;
	r = fill(host, &reader, part, progress, err);
	if (r == 0)
		r = remove_dir(host, dir, false, err);
	if (r == 0)
		r = host_rename(host, part, dir, err);
	if (r < 0)
		(void)remove_dir(host, part, true, NULL);
	else
		manifest_move(&reader.manifest, ret);
	return r;
}
