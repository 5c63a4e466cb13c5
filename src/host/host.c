#include "host/host.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/strbuf.h"

int host_open_root(const char *root, struct host *ret, struct error *err)
{
	_cleanup_(host_release) struct host host = HOST_INIT;

	host.root_fd = open(root ? root : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (host.root_fd < 0)
		return error_errno(err, errno, "open the host's root '%s'", root);
	if (root) {
		int r;

		host.root = realpath(root, NULL);
		if (!host.root)
			return error_errno(err, errno, "resolve '%s'", root);
		r = file_read_at(host.root_fd, "recorded", FILE_CAP_DEFAULT, &host.facts, NULL);
		if (r == -ENOENT)
			host.facts = strdup("");
		else if (r < 0)
			return error_errno(err, r, "read '%s/recorded'", root);
		if (!host.facts)
			return error_errno(err, ENOMEM, "open '%s'", root);
	}
	*ret = host;
	host = HOST_INIT;
	return 0;
}

void host_release(struct host *host)
{
	fd_closep(&host->root_fd);
	free(host->root);
	free(host->facts);
	*host = HOST_INIT;
}

char *host_fact(const struct host *host, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = host->facts; p && *p;) {
		const char *end = strchrnul(p, '\n');

		if (strncmp(p, key, n) == 0 && p[n] == '=')
			return strndup(p + n + 1, (size_t)(end - p) - n - 1);
		p = *end ? end + 1 : end;
	}
	return NULL;
}

int host_open(const struct host *host, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_IN_ROOT,
	};
	int fd;

	if (!host_is_rooted(host)) {
		fd = open(path, flags | O_CLOEXEC, mode);
		return fd < 0 ? -errno : fd;
	}
	fd = (int)syscall(SYS_openat2, host->root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int host_open_parent(const struct host *host, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = NULL;

	if (!slash || !slash[1])
		return -EINVAL;
	dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	*ret_name = slash + 1;
	return host_open(host, dir, O_RDONLY | O_DIRECTORY, 0);
}

int host_stat(const struct host *host, const char *path, struct stat *ret, bool follow)
{
	_cleanup_fd_ int fd = host_open(host, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

bool host_exists(const struct host *host, const char *path)
{
	struct stat st;

	return host_stat(host, path, &st, true) == 0;
}

int host_read(const struct host *host, const char *path, size_t cap, char **ret_data,
	      size_t *ret_len)
{
	_cleanup_fd_ int fd = host_open(host, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return file_read_fd(fd, cap, ret_data, ret_len);
}

int host_write(const struct host *host, const char *path, const void *data, size_t len,
	       const struct file_attrs *attrs, struct error *err)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir < 0)
		return error_errno(err, dir, "open the directory of '%s'", path);
	return file_write_atomic_at(dir, name, data, len, attrs, err);
}

int host_remove(const struct host *host, const char *path, struct error *err)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return error_errno(err, dir, "open the directory of '%s'", path);
	return file_remove_at(dir, name, err);
}

void host_drop_temp(const struct host *host, const char *path)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir >= 0)
		file_drop_temp_at(dir, name);
}

int host_mkdirs(const struct host *host, const char *path, mode_t mode, struct strv *ret_made,
		struct error *err)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return error_errno(err, ENOMEM, "make '%s'", path);
	for (char *p = copy + 1;; p++) {
		bool last = *p == '\0';
		const char *name;

		if (*p != '/' && !last)
			continue;
		*p = '\0';
		{
			_cleanup_fd_ int dir = host_open_parent(host, copy, &name);

			if (dir < 0)
				return error_errno(err, dir, "make '%s'", copy);
			if (mkdirat(dir, name, last ? mode : 0755) == 0) {
				if (fsync(dir) < 0)
					return error_errno(err, errno, "sync the parent of '%s'",
							   copy);
				if (ret_made && strv_add(ret_made, copy) < 0)
					return error_errno(err, ENOMEM, "make '%s'", path);
				fault_point("mkdir");
			} else if (errno != EEXIST) {
				return error_errno(err, errno, "make the directory '%s'", copy);
			}
		}
		if (last)
			return 0;
		*p = '/';
	}
}

int host_rmdir(const struct host *host, const char *path)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir < 0)
		return dir;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int host_rename(const struct host *host, const char *from, const char *to, struct error *err)
{
	const char *from_name, *to_name;
	_cleanup_fd_ int from_dir = host_open_parent(host, from, &from_name);
	_cleanup_fd_ int to_dir = host_open_parent(host, to, &to_name);

	if (from_dir < 0 || to_dir < 0)
		return error_errno(err, from_dir < 0 ? from_dir : to_dir, "rename '%s' to '%s'",
				   from, to);
	fault_point("rename");
	if (renameat(from_dir, from_name, to_dir, to_name) < 0)
		return error_errno(err, errno, "rename '%s' to '%s'", from, to);
	if (fsync(to_dir) < 0 || fsync(from_dir) < 0)
		return error_errno(err, errno, "sync the directory of '%s'", to);
	fault_point("renamed");
	return 0;
}

int host_symlink(const struct host *host, const char *target, const char *path, struct error *err)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);

	if (dir < 0)
		return error_errno(err, dir, "open the directory of '%s'", path);
	if (symlinkat(target, dir, name) < 0)
		return error_errno(err, errno, "link '%s' to '%s'", path, target);
	return fsync(dir) < 0 ? error_errno(err, errno, "sync the directory of '%s'", path) : 0;
}

int host_readlink(const struct host *host, const char *path, char **ret)
{
	const char *name;
	_cleanup_fd_ int dir = host_open_parent(host, path, &name);
	char buf[PATH_MAX];
	ssize_t n;

	if (dir < 0)
		return dir;
	n = readlinkat(dir, name, buf, sizeof(buf) - 1);
	if (n < 0)
		return -errno;
	*ret = strndup(buf, (size_t)n);
	return *ret ? 0 : -ENOMEM;
}

char *host_real_path(const struct host *host, const char *path)
{
	return xasprintf("%s%s", host->root ? host->root : "", path);
}

static const char *const PROGRAM_DIRS[] = {
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
};

char *host_find_program(const struct host *host, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(PROGRAM_DIRS); i++) {
		char *path = xasprintf("%s/%s", PROGRAM_DIRS[i], name);
		struct stat st;

		if (path && host_stat(host, path, &st, true) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111))
			return path;
		free(path);
	}
	return NULL;
}

/* What every program gets: a plain environment, and where its host is. */
static int environment(const struct host *host, const char *const *extra, struct strv *ret)
{
	static const char *const PASSED_ON[] = {
		"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	};
	int r = strv_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	if (r == 0)
		r = strv_add(ret, "LC_ALL=C.UTF-8");
	if (r == 0)
		r = strv_add(ret, "HOME=/root");
	if (r == 0 && host->root)
		r = strv_addf(ret, "HOST_ROOT=%s", host->root);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(PASSED_ON); i++) {
		const char *value = getenv(PASSED_ON[i]);

		if (value)
			r = strv_addf(ret, "%s=%s", PASSED_ON[i], value);
	}
	for (; r == 0 && extra && *extra; extra++)
		r = strv_add(ret, *extra);
	return r;
}

typedef int (*spawn_fn)(const char *path, const char *const *argv,
			const struct spawn_options *options, struct spawn_result *ret,
			struct error *err);

static int run_with(spawn_fn spawn, const struct host *host, const char *const *argv,
		    const struct spawn_options *options, struct spawn_result *ret,
		    struct error *err)
{
	struct spawn_options mine = options ? *options : (struct spawn_options){ 0 };
	_cleanup_(strv_release) struct strv env = STRV_INIT;
	_cleanup_free_ char *program = NULL;
	_cleanup_free_ char *path = NULL;

	program = argv[0][0] == '/' ? strdup(argv[0]) : host_find_program(host, argv[0]);
	if (!program)
		return error_set(err, ENOENT, "the program '%s' is not on this host", argv[0]);
	path = host_real_path(host, program);
	if (!path || environment(host, mine.env, &env) < 0)
		return error_errno(err, ENOMEM, "run '%s'", argv[0]);
	mine.env = (const char *const *)env.items;
	return spawn(path, argv, &mine, ret, err);
}

int host_run(const struct host *host, const char *const *argv, const struct spawn_options *options,
	     struct spawn_result *ret, struct error *err)
{
	return run_with(spawn_run, host, argv, options, ret, err);
}

int host_check(const struct host *host, const char *const *argv,
	       const struct spawn_options *options, struct spawn_result *ret, struct error *err)
{
	return run_with(spawn_check, host, argv, options, ret, err);
}

int host_version(const struct host *host, const char *program, struct strbuf *ret, struct error *err)
{
	const char *const argv[] = { program, "--version", NULL };
	_cleanup_(spawn_result_release) struct spawn_result result = SPAWN_RESULT_INIT;
	struct spawn_options options = { .timeout_ms = 60000 };
	int r = host_check(host, argv, &options, &result, err);

	if (r == -ETIMEDOUT)
		return r;
	error_clear(err);
	if (r == 0)
		strbuf_puts(ret, strbuf_str(&result.out));
	return 0;
}
