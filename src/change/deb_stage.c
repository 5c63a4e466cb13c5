#include "change/deb_stage.h"

#include <fcntl.h>

#include "base/fault.h"
#include "change/tree.h"
#include "sys/tree_walk.h"
#include "engine/ar.h"
#include "engine/stream.h"

#define PART	  CACHE_DIR "/unpacked.part"
#define WHOLE	  CACHE_DIR "/unpacked"
#define TREE	  "/tree"
#define NOTE	  "/sha256" /* of the package that TREE is of */

#define FILES_MAX ((size_t)1000)

void staged_release(struct staged *staged)
{
	for (size_t i = 0; i < staged->len; i++) {
		free(staged->items[i].source);
		free(staged->items[i].path);
	}
	free(staged->items);
	*staged = (struct staged){ 0 };
}

/* ---- unpacking ---- */

static int open_deb(const struct host *host, const char *deb, struct ar_member *ret,
		    struct error *err)
{
	int fd = host_open(host, deb, O_RDONLY, 0);
	int r = fd < 0 ? error_errno(err, fd, "open the package '%s'", deb)
		       : deb_find_data(fd, deb, ret, err);

	if (r < 0)
		(void)fd_close(fd);
	return r < 0 ? r : fd;
}

/* tar finds out itself what its input is packed with, and runs the program for it. */
static const char *packer_of(const struct ar_member *data)
{
	static const struct {
		const char *suffix, *program;
	} PACKERS[] = { { ".gz", "gzip" }, { ".xz", "xz" }, { ".zst", "zstd" } };

	for (size_t i = 0; i < ARRAY_SIZE(PACKERS); i++) {
		if (strcmp(data->name + strlen("data.tar"), PACKERS[i].suffix) == 0)
			return PACKERS[i].program;
	}
	return NULL;
}

static const char *missing_program(const struct host *host, const struct ar_member *data)
{
	const char *const needed[] = { "tar", packer_of(data) };

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		_cleanup_free_ char *path = needed[i] ? host_find_program(host, needed[i]) : NULL;

		if (needed[i] && !path)
			return needed[i];
	}
	return NULL;
}

int deb_can_stage(const struct host *host, const char *deb, struct error *err)
{
	struct ar_member data;
	_cleanup_fd_ int fd = open_deb(host, deb, &data, err);

	return fd < 0 ? fd : !missing_program(host, &data);
}

static int take_out(const struct host *host, int fd, const struct ar_member *data, const char *deb,
		    struct error *err)
{
	_cleanup_fd_ int out =
		host_open(host, PART "/data", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	struct stream stream = { .in = fd, .in_name = deb, .out = out, .out_name = PART "/data" };
	char ignored[DIGEST_HEX_MAX];

	if (out < 0)
		return error_errno(err, out, "make '%s'", PART "/data");
	if (lseek(fd, (off_t)data->offset, SEEK_SET) < 0)
		return error_errno(err, errno, "read '%s'", deb);
	return stream_copy(&stream, data->size, ignored, err);
}

static int run_tar(struct change_context *ctx, const char *deb, struct error *err)
{
	_cleanup_free_ char *data = host_real_path(ctx->host, PART "/data");
	_cleanup_free_ char *tree = host_real_path(ctx->host, PART TREE);
	const char *const argv[] = {
		"tar",	       "--extract", "--file",	       data,
		"--directory", tree,	    "--no-same-owner", "--preserve-permissions",
		NULL
	};
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = ctx->packages_ms, .output_cap = 4096 };
	int r;

	if (!data || !tree)
		return error_errno(err, ENOMEM, "unpack '%s'", deb);
	progress_activityf(ctx->progress, "unpacking %s", deb);
	r = host_check(ctx->host, argv, &options, &result, err);
	if (r == -EPROTO)
		return error_set(err, EBADMSG, "'%s' cannot be unpacked: %.300s", deb,
				 result.err.len ? strbuf_str(&result.err) : "tar failed");
	return r;
}

/* On the disk before its name says that it is whole: the next boot believes that name. */
static int sync_part(const struct host *host, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, PART, O_RDONLY | O_DIRECTORY, 0);

	return fd < 0 || syncfs(fd) < 0 ? error_errno(err, fd < 0 ? fd : errno, "sync '%s'", PART)
					: 0;
}

static int unpack(struct change_context *ctx, const char *deb, const char *sha256,
		  struct error *err)
{
	static const struct file_attrs ATTRS = { .mode = 0600 };
	struct ar_member data;
	_cleanup_fd_ int fd = open_deb(ctx->host, deb, &data, err);
	const char *missing = fd < 0 ? NULL : missing_program(ctx->host, &data);
	int r = fd < 0 ? fd : deb_unstage(ctx->host, err);

	if (missing)
		return error_set(err, ENOENT,
				 "'%s' cannot be unpacked: the program '%s' is not on this "
				 "host",
				 deb, missing);
	if (r == 0)
		r = host_mkdirs(ctx->host, PART, 0700, NULL, err);
	if (r == 0)
		r = host_mkdirs(ctx->host, PART TREE, 0700, NULL, err);
	if (r == 0)
		r = take_out(ctx->host, fd, &data, deb, err);
	if (r == 0)
		r = run_tar(ctx, deb, err);
	if (r == 0)
		r = host_remove(ctx->host, PART "/data", err);
	if (r == 0)
		r = host_write(ctx->host, PART NOTE, sha256, strlen(sha256), &ATTRS, err);
	if (r == 0)
		r = sync_part(ctx->host, err);
	fault_point("unpack:part");
	if (r == 0)
		r = host_rename(ctx->host, PART, WHOLE, err);
	fault_point("unpack:whole");
	return r;
}

int deb_unstage(const struct host *host, struct error *err)
{
	int r = tree_remove(host, PART, err);

	return r < 0 ? r : tree_remove(host, WHOLE, err);
}

/* ---- looking at it ---- */

/* Where a file of the package belongs: 1, 0 for one that is left out, -EBADMSG. */
static int place_of(const char *name, char **ret)
{
	static const struct {
		const char *below, *place; /* NULL: left out */
	} PLACES[] = {
		{ "usr/share/doc/", NULL },
		{ "usr/", "/usr/" },
		{ "etc/", "/etc/" },
		{ "lib/systemd/system/", "/usr/lib/systemd/system/" },
		{ "lib/sysctl.d/", "/usr/lib/sysctl.d/" },
		{ "lib/modules-load.d/", "/usr/lib/modules-load.d/" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(PLACES); i++) {
		size_t n = strlen(PLACES[i].below);

		if (strncmp(name, PLACES[i].below, n) != 0)
			continue;
		if (!PLACES[i].place)
			return 0;
		*ret = xasprintf("%s%s", PLACES[i].place, name + n);
		return *ret ? 1 : -ENOMEM;
	}
	return -EBADMSG;
}

static bool is_plain(const char *name)
{
	for (; *name; name++) {
		if (*name <= ' ' || *name > '~')
			return false;
	}
	return true;
}

static int add(struct staged *staged, const struct staged_file *file)
{
	struct staged_file *items =
		reallocarray(staged->items, staged->len + 1, sizeof(*staged->items));

	if (!items)
		return -ENOMEM;
	staged->items = items;
	items[staged->len++] = *file;
	return 0;
}

static int take_file(const struct tree_walk *walk, const char *name, const struct stat *st,
		     struct staged *staged)
{
	_cleanup_free_ char *below =
		xasprintf("%s%s%s", strbuf_str(&walk->path), walk->path.len ? "/" : "", name);
	_cleanup_free_ char *path = NULL, *source = NULL;
	struct staged_file file = { .mode = st->st_mode & 0777 };
	_cleanup_fd_ int fd = -EBADF;
	int r = below ? place_of(below, &path) : -ENOMEM;

	if (r <= 0)
		return r;
	source = xasprintf(WHOLE TREE "/%s", below);
	fd = openat(walk->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (!source || fd < 0)
		return source ? -errno : -ENOMEM;
	r = digest_fd(fd, file.sha256, NULL);
	if (r < 0)
		return r;
	file.source = source;
	file.path = path;
	r = staged->len < FILES_MAX ? add(staged, &file) : -EFBIG;
	if (r == 0) {
		(void)TAKE_PTR(source);
		(void)TAKE_PTR(path);
	}
	return r;
}

static int take_entry(struct tree_walk *walk, const char *name, struct staged *staged)
{
	struct stat st;

	if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!is_plain(name))
		return -EBADMSG;
	if (S_ISDIR(st.st_mode))
		return tree_walk_enter(walk, name);
	return S_ISREG(st.st_mode) ? take_file(walk, name, &st, staged) : -EBADMSG;
}

static int look(const struct host *host, const char *deb, struct staged *staged, struct error *err)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_fd_ int top = host_open(host, WHOLE TREE, O_RDONLY | O_DIRECTORY, 0);
	char where[TREE_WHERE_MAX];
	int r = top < 0 ? top : tree_walk_open(&walk, top);

	while (r >= 0) {
		const char *name = tree_walk_next(&walk);

		r = name ? take_entry(&walk, name, staged) : tree_walk_leave(&walk);
		if (r == -EBADMSG)
			return error_set(
				err, EBADMSG,
				"'%s' has '/%s' in it, which berth does not put on a host: "
				"is this Sysbox's package?",
				deb, tree_walk_where(&walk, name, where));
		if (r == 0 && !name)
			break;
	}
	if (r < 0)
		return error_errno(err, r, "look at what is in '%s'", deb);
	return staged->len ? 0 : error_set(err, EBADMSG, "'%s' has no files in it", deb);
}

static bool is_staged(const struct host *host, const char *sha256)
{
	_cleanup_free_ char *note = NULL;

	return host_read(host, WHOLE NOTE, DIGEST_HEX_MAX, &note, NULL) == 0 &&
	       strcmp(note, sha256) == 0;
}

int deb_stage(struct change_context *ctx, const char *deb, struct staged *ret, struct error *err)
{
	_cleanup_(staged_release) struct staged staged = { 0 };
	_cleanup_fd_ int fd = host_open(ctx->host, deb, O_RDONLY, 0);
	char sha256[DIGEST_HEX_MAX];
	int r;

	if (fd < 0)
		return error_errno(err, fd, "open the package '%s'", deb);
	r = digest_fd(fd, sha256, err);
	if (r == 0)
		r = host_mkdirs(ctx->host, CACHE_DIR, 0700, NULL, err);
	if (r == 0 && !is_staged(ctx->host, sha256))
		r = unpack(ctx, deb, sha256, err);
	if (r == 0)
		r = look(ctx->host, deb, &staged, err);
	if (r < 0)
		return r;
	*ret = staged;
	staged = (struct staged){ 0 };
	return 0;
}
