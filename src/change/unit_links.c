#include "change/unit_links.h"

#include "sys/dir_names.h"

#include <fcntl.h>
#include <sys/stat.h>

#define UNITS "/etc/systemd/system"

static bool hangs(const struct host *host, const char *path)
{
	_cleanup_free_ char *target = NULL;

	return host_readlink(host, path, &target) == 0 && *target == '/' && strcmp(target, "/dev/null") != 0 &&
	       !host_exists(host, target);
}

static bool is_folder_of_links(const struct host *host, const char *path)
{
	const char *kind = strrchr(path, '.');
	struct stat st;

	return kind && (strcmp(kind, ".wants") == 0 || strcmp(kind, ".requires") == 0) &&
	       host_stat(host, path, &st, false) == 0 && S_ISDIR(st.st_mode);
}

/* The names in `dir`; of a folder that is not there, none. */
static int names_in(const struct host *host, const char *dir, struct strv *ret, struct error *err)
{
	_cleanup_fd_ int fd = host_open(host, dir, O_PATH | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : dir_names(fd, ret);

	return r < 0 && r != -ENOENT ? error_errno(err, r, "read '%s'", dir) : 0;
}

static int look(const struct host *host, const char *dir, bool deeper, json_t *found, struct error *err)
{
	_cleanup_(strv_release) struct strv names = STRV_INIT;
	int r = names_in(host, dir, &names, err);

	strv_foreach (&names, i, name) {
		_cleanup_free_ char *path = r == 0 ? xasprintf("%s/%s", dir, name) : NULL;

		if (path && hangs(host, path))
			(void)json_array_append_new(found, json_string(path));
		else if (path && deeper && is_folder_of_links(host, path))
			r = look(host, path, false, found, err);
	}
	return r;
}

int unit_links_hanging(const struct host *host, json_t **ret, struct error *err)
{
	_cleanup_json_ json_t *found = json_array();
	int r = found ? look(host, UNITS, true, found, err) : error_errno(err, ENOMEM, "read the units");

	if (r == 0)
		*ret = TAKE_PTR(found);
	return r;
}

static int remove_link(const struct host *host, const char *link, struct error *err)
{
	_cleanup_free_ char *folder = strndup(link, (size_t)(strrchr(link, '/') - link));
	int r = host_remove(host, link, err);

	if (r == 0 && folder && is_folder_of_links(host, folder))
		(void)host_rmdir(host, folder); /* as systemctl disable does */
	return r;
}

int unit_links_remove(const struct host *host, const json_t *known, struct error *err)
{
	_cleanup_json_ json_t *links = NULL;
	json_t *link;
	size_t i;
	int r = unit_links_hanging(host, &links, err);

	json_array_foreach(links, i, link) {
		if (r == 0 && !json_has_string(known, json_string_value(link)))
			r = remove_link(host, json_string_value(link), err);
	}
	return r;
}
