#include "change/docker_data.h"

#include <fcntl.h>

#include "base/strbuf.h"
#include "change/tree.h"
#include "sys/tree_walk.h"

/* The names in a directory, none where it is not there. */
static int names_in(const struct host *host, const char *dir, const char *below, struct strv *ret)
{
	_cleanup_(tree_walk_release) struct tree_walk walk = TREE_WALK_INIT;
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, below);
	_cleanup_fd_ int fd = -EBADF;
	int r;

	if (!path)
		return -ENOMEM;
	fd = host_open(host, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	r = fd < 0 ? fd : tree_walk_open(&walk, fd);
	if (r < 0)
		return r;
	strv_foreach (tree_walk_names(&walk), i, name) {
		if (r == 0)
			r = strv_add(ret, name);
	}
	return r;
}

/* How many directories there are in it; volumes/ has two files of dockerd's own as well. */
static int count_directories(const struct host *host, const char *dir, const char *below,
			     uint64_t *ret)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = names_in(host, dir, below, &names);

	strv_foreach (&names, i, name) {
		_cleanup_free_ char *path = xasprintf("%s/%s/%s", dir, below, name);
		struct stat st;

		if (!path)
			return -ENOMEM;
		if (host_stat(host, path, &st, false) == 0 && S_ISDIR(st.st_mode))
			(*ret)++;
	}
	return r;
}

static int count_images(const struct host *host, const char *dir, uint64_t *ret)
{
	_cleanup_(strv_release) struct strv drivers = STRV_INIT;
	int r = names_in(host, dir, "image", &drivers);

	strv_foreach (&drivers, i, driver) {
		_cleanup_(strv_release) struct strv images = STRV_INIT;
		_cleanup_free_ char *below = xasprintf("image/%s/imagedb/content/sha256", driver);

		if (r == 0)
			r = below ? names_in(host, dir, below, &images) : -ENOMEM;
		*ret += images.len;
	}
	return r;
}

static int count_all(const struct host *host, const char *dir, struct data_summary *ret)
{
	int r = count_images(host, dir, &ret->images);

	if (r == 0)
		r = count_directories(host, dir, "containers", &ret->containers);
	if (r == 0)
		r = count_directories(host, dir, "volumes", &ret->volumes);
	return r < 0 ? r : ret->images || ret->containers || ret->volumes;
}

int docker_data_present(const struct host *host, const char *dir, struct data_summary *ret)
{
	struct data_summary found = { 0 };
	struct tree_usage usage = { 0 };
	int r = count_all(host, dir, &found);
	int measured = r < 0 ? r : tree_usage(host, dir, &usage, NULL);

	if (measured < 0 && measured != -ENOENT)
		return measured;
	found.bytes = usage.bytes;
	*ret = found;
	return r;
}

/* 20.10 to 29, root directory of a daemon that has just been started for the first time. */
static bool made_by_dockerd(const char *name)
{
	static const char *const NAMES[] = {
		"buildkit", "containers", "engine-id",
		"image",    "network",	  "nuke-graph-directory.sh",
		"overlay2", "plugins",	  "runtimes",
		"swarm",    "tmp",	  "tmp-old",
		"trust",    "volumes",
	};

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		if (strcmp(NAMES[i], name) == 0)
			return true;
	}
	return false;
}

/* Nothing but what is there from the start (NULL: nothing at all) in a directory of it? */
static int has_only(const struct host *host, const char *dir, const char *below,
		    const char *const *allowed)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = names_in(host, dir, below, &names);

	strv_foreach (&names, i, name) {
		const char *const *p = allowed;

		while (*p && strcmp(*p, name) != 0)
			p++;
		if (!*p)
			return 0;
	}
	return r < 0 ? r : 1;
}

int docker_data_is_skeleton(const struct host *host, const char *dir)
{
	static const char *const NONE[] = { NULL };
	/* The latter is made where quotas work: a node for the device below. */
	static const char *const LINKS[] = { "l", "backingFsBlockDev", NULL };
	static const char *const PLUGINS[] = { "storage", "tmp", NULL };
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	struct data_summary found = { 0 };
	int r = names_in(host, dir, ".", &names);

	if (r < 0)
		return r;
	strv_foreach (&names, i, name) {
		if (!made_by_dockerd(name))
			return 0;
	}
	if (!strv_contains(&names, "containers") || !strv_contains(&names, "volumes") ||
	    !strv_contains(&names, "image"))
		return 0;
	r = count_all(host, dir, &found);
	if (r != 0)
		return r < 0 ? r : 0;
	r = has_only(host, dir, "swarm", NONE);
	if (r > 0)
		r = has_only(host, dir, "plugins", PLUGINS);
	return r > 0 ? has_only(host, dir, "overlay2", LINKS) : r;
}
