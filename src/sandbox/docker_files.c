#include "sandbox/docker_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "sandbox/bundle.h"

#define HEX_ID 64

void docker_files_release(struct docker_files *files)
{
	free(files->name);
	free(files->disk);
	free(files->size);
	*files = DOCKER_FILES_INIT;
}

static int read_file(const char *data_root, const char *id, const char *name, json_t **ret,
		     struct error *err)
{
	_cleanup_free_ char *path = xasprintf("%s/containers/%s/%s", data_root, id, name);
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = path ? file_read_at(AT_FDCWD, path, FILE_CAP_DEFAULT, &text, &len) : -ENOMEM;

	if (r == -ENOENT)
		return -ENOENT;
	if (r < 0)
		return error_errno(err, r, "read Docker's '%s' of container %.64s", name, id);
	return json_parse(text, len, path, ret, err);
}

static int copy(const char *value, char **ret)
{
	*ret = value ? strdup(value) : NULL;
	return value && !*ret ? -ENOMEM : 0;
}

static bool is_hex_id(const char *name)
{
	return name && strspn(name, "0123456789abcdef") == HEX_ID && !name[HEX_ID];
}

static unsigned count_volumes(const json_t *mounts)
{
	const json_t *mount;
	const char *target;
	unsigned n = 0;

	json_object_foreach ((json_t *)(uintptr_t)mounts, target, mount) {
		const char *type = json_get_string(mount, "Type");

		n += type && strcmp(type, "volume") == 0 && is_hex_id(json_get_string(mount, "Name"));
	}
	return n;
}

/*
 * Docker gives a container its image's labels among its own (daemon/commit.go: merge), and does not tell them apart: one
 * that the image has with that value is the image maker's, who may be the tenant. Of an image that cannot be read any more
 * none is believed.
 */
static bool is_of_image(const char *data_root, const json_t *config, const char *value)
{
	const char *image = json_get_string(config, "Image"), *driver = json_get_string(config, "Driver");
	_cleanup_free_ char *path = NULL, *text = NULL;
	_cleanup_json_ json_t *made = NULL;
	const char *its;
	size_t len = 0;

	if (!image || strncmp(image, "sha256:", 7) != 0 || !is_hex_id(image + 7))
		return false;
	path = xasprintf("%s/image/%s/imagedb/content/sha256/%s", data_root, driver && *driver ? driver : "overlay2", image + 7);
	if (!path || file_read_at(AT_FDCWD, path, FILE_CAP_DEFAULT, &text, &len) < 0 ||
	    json_parse(text, len, path, &made, NULL) < 0)
		return true;
	its = json_get_string(json_object_get(json_object_get(made, "config"), "Labels"), ANNOTATION_DISK);
	return its && strcmp(its, value) == 0;
}

static int fill(const char *data_root, const json_t *config, const json_t *host, struct docker_files *ret)
{
	const char *name = json_get_string(config, "Name");
	const char *disk = json_get_string(json_object_get(json_object_get(config, "Config"), "Labels"), ANNOTATION_DISK);
	int r = copy(name && *name == '/' ? name + 1 : name, &ret->name);

	if (r == 0 && disk && !is_of_image(data_root, config, disk))
		r = copy(disk, &ret->disk);
	if (r == 0)
		r = copy(json_get_string(json_object_get(host, "StorageOpt"), "size"), &ret->size);
	ret->anonymous_volumes = count_volumes(json_object_get(config, "MountPoints"));
	ret->running = json_get_bool(json_object_get(config, "State"), "Running", false);
	return r;
}

int docker_files_read(const char *data_root, const char *id, struct docker_files *ret,
		      struct error *err)
{
	_cleanup_(docker_files_release) struct docker_files files = DOCKER_FILES_INIT;
	_cleanup_json_ json_t *config = NULL, *host = NULL;
	int r = read_file(data_root, id, "config.v2.json", &config, err);

	if (r == 0)
		r = read_file(data_root, id, "hostconfig.json", &host, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (fill(data_root, config, host, &files) < 0)
		return error_errno(err, ENOMEM, "read Docker's files of container %.64s", id);
	*ret = files;
	files = DOCKER_FILES_INIT;
	return 1;
}

uint64_t docker_files_stamp(const char *data_root, const char *id)
{
	_cleanup_free_ char *path = xasprintf("%s/containers/%s/config.v2.json", data_root, id);
	struct stat st;

	/* Docker writes a new file and renames it: other inode, other time. */
	if (!path || stat(path, &st) < 0)
		return 0;
	return ((uint64_t)st.st_mtim.tv_sec * 1000000000U + (uint64_t)st.st_mtim.tv_nsec) ^ ((uint64_t)st.st_ino << 40);
}

int docker_has_container(const char *data_root, const char *id, struct error *err)
{
	_cleanup_free_ char *all = xasprintf("%s/containers", data_root);
	_cleanup_fd_ int dir = all ? open(all, O_PATH | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	struct stat st;

	if (dir < 0)
		return error_set(err, ENODATA, "'%s/containers' cannot be opened: what Docker has is not "
				 "known", data_root);
	if (fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode);
	return errno == ENOENT ? 0 : error_errno(err, errno, "look for container %.64s", id);
}

bool docker_is_anonymous_volume(const char *data_root, const char *path)
{
	size_t n = strlen(data_root);

	if (strncmp(path, data_root, n) != 0 || strncmp(path + n, "/volumes/", 9) != 0)
		return false;
	path += n + 9;
	return strspn(path, "0123456789abcdef") == HEX_ID && strcmp(path + HEX_ID, "/_data") == 0;
}

bool docker_is_file_of(const char *data_root, const char *id, const char *path)
{
	_cleanup_free_ char *folder = xasprintf("%s/containers/%s/", data_root, id);

	return folder && strncmp(path, folder, strlen(folder)) == 0 && !strchr(path + strlen(folder), '/');
}

/* The unit behind the number: k, m, g, t, p with "b" or "ib" behind, any case. 0: not one. */
static uint64_t unit_factor(const char *s)
{
	static const char UNITS[] = "kmgtp";
	uint64_t factor = 1;
	const char *unit;

	s += *s == ' ';
	unit = *s ? strchr(UNITS, *s | 0x20) : NULL;
	if (unit) {
		factor = (uint64_t)1 << (10 * (unit - UNITS + 1));
		s++;
		s += (*s | 0x20) == 'i' && (s[1] | 0x20) == 'b';
	}
	s += (*s | 0x20) == 'b';
	return *s ? 0 : factor;
}

int docker_size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole = 0, part = 0, scale = 1, factor;
	const char *s = text;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	}
	if (*s == '.') {
		for (s++; *s >= '0' && *s <= '9'; s++) {
			if (scale < 1000000000) { /* finer than a byte of a gigabyte */
				part = part * 10 + (uint64_t)(*s - '0');
				scale *= 10;
			}
		}
	}
	factor = unit_factor(s);
	if (!factor)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, factor, &whole))
		return -ERANGE;
	*ret_bytes = whole + (uint64_t)((__uint128_t)part * factor / scale);
	return 0;
}
